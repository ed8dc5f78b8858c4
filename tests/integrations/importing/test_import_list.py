"""The import list: its order and pages, its filters, its search index, and what is new in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib import import_module
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit_site.tenants.models import Membership, Tenant, User
from companies.models import Company
from integrations.models import ImportListVisit, Integration, PsaCompanyRecord
from integrations.selectors import (
    LIST_LIMIT,
    Tally,
    import_list_page,
    list_psa_companies,
    news,
    tally,
)
from integrations.services.visits import look
from tests.factories import (
    make_api,
    make_company,
    make_integration,
    make_link,
    make_member,
    make_psa_company,
)

V1 = "/api/v1"
EARLY = datetime(2026, 11, 1, tzinfo=UTC)


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(answer: Any) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


def names(answer: Any) -> list[str]:
    """The companies on a page of the import list."""
    body = re.search("<tbody>.*</tbody>", text(answer), re.DOTALL)
    return re.findall("<td><strong>([^<]*)</strong>", body[0] if body else "")


def marked(answer: Any) -> list[str]:
    """Those of them that are marked as new."""
    return re.findall(
        '<td><strong>([^<]*)</strong> <span class="mark busy">New</span>', text(answer)
    )


def add(integration: Integration, *named: str, **over: Any) -> None:
    for name in named:
        make_psa_company(integration, name=name, **over)


def queries(work: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


@pytest.fixture
def integration(tenant: Tenant) -> Integration:
    return make_integration(tenant)


# Pages


@pytest.fixture
def alphabet(integration: Integration) -> Integration:
    add(integration, *(f"{letter} firm" for letter in "hcbadgfe"))
    return integration


def shown(integration: Integration, **where: Any) -> tuple[str, bool, bool]:
    """The first letters on a page of three, and whether there are pages before and after it."""
    page = import_list_page(integration, list_psa_companies(integration), size=3, **where)
    return "".join(row.name[0] for row in page.rows), page.previous != "", page.next != ""


def id_of(letter: str) -> str:
    return PsaCompanyRecord.objects.get(name=f"{letter} firm").external_id


def test_pages_follow_one_another_in_the_order_of_names(alphabet: Integration) -> None:
    assert shown(alphabet) == ("abc", False, True)
    assert shown(alphabet, after=id_of("c")) == ("def", True, True)
    assert shown(alphabet, after=id_of("f")) == ("gh", True, False)
    assert shown(alphabet, before=id_of("g")) == ("def", True, True)
    assert shown(alphabet, before=id_of("d")) == ("abc", False, True)


def test_a_page_ahead_of_too_few_rows_is_the_first_page(alphabet: Integration) -> None:
    assert shown(alphabet, before=id_of("b")) == ("abc", False, True)


def test_a_name_jumps_into_the_list_and_past_it_to_its_end(alphabet: Integration) -> None:
    assert shown(alphabet, start="É") == ("efg", True, True)
    assert shown(alphabet, start="zz") == ("fgh", True, False)


def test_a_row_that_is_gone_from_the_filter_still_tells_the_place(alphabet: Integration) -> None:
    PsaCompanyRecord.objects.filter(name="c firm").update(importable=False)
    rows = list_psa_companies(alphabet, importable=True)

    page = import_list_page(alphabet, rows, after=id_of("c"), size=2)

    assert [row.name for row in page.rows] == ["d firm", "e firm"]


def test_what_is_no_row_of_this_list_begins_it(alphabet: Integration, other_tenant: Tenant) -> None:
    foreign = make_psa_company(make_integration(other_tenant), name="f firm")

    assert shown(alphabet, after=foreign.external_id) == ("abc", False, True)
    assert shown(alphabet, before="nobody") == ("abc", False, True)
    assert shown(alphabet, after="\0", start="\0") == ("abc", False, True)


def test_equal_names_lose_no_row_between_pages(integration: Integration) -> None:
    for number in range(7):
        make_psa_company(integration, external_id=f"id{number}", search_text="the same")
    rows = list_psa_companies(integration)

    forward, after = [], ""
    while True:
        page = import_list_page(integration, rows, after=after, size=2)
        forward += [row.external_id for row in page.rows]
        if not page.next:
            break
        after = page.next
    back = import_list_page(integration, rows, before="id5", size=2)

    assert forward == [f"id{number}" for number in range(7)]
    assert [row.external_id for row in back.rows] == ["id3", "id4"]


def test_the_page_links_to_the_pages_around_it_with_its_filters(
    tenant: Tenant, integration: Integration
) -> None:
    add(integration, *(f"Firm {number:03}" for number in range(120)))
    add(integration, "Firm hidden", importable=False, rule_codes=["no_contact"])
    client = browser(make_member(tenant))
    address = f"/integrations/{integration.pk}/companies/"

    first = client.get(f"{address}?importable=yes")
    (onward,) = re.findall('href="([^"]*)">Next<', text(first))
    second = client.get(address + onward.replace("&amp;", "&"))
    (back,) = re.findall('href="([^"]*)">Previous<', text(second))

    assert names(first) == [f"Firm {number:03}" for number in range(50)]
    assert names(second) == [f"Firm {number:03}" for number in range(50, 100)]
    assert names(client.get(address + back.replace("&amp;", "&"))) == names(first)
    assert '<a href="?importable=yes&amp;from=k"' in text(first)
    assert "120 companies" in text(first)


def test_a_long_list_is_counted_up_to_a_limit(integration: Integration) -> None:
    add(integration, "One", "Two", "Three")
    rows = list_psa_companies(integration)

    assert str(tally(rows, 2)) == "2+"
    assert str(tally(rows, 3)) == "3"
    assert str(Tally(LIST_LIMIT + 1, LIST_LIMIT)) == "10,000+"


# Filters


def test_every_filter_finds_exactly_its_own(
    tenant: Tenant, integration: Integration, other_tenant: Tenant
) -> None:
    add(integration, "Zoë Ärzte", external_id="4711")
    add(integration, "Hidden", importable=False, status="Not Approved")
    linked = make_psa_company(integration, name="Linked")
    unlinked = make_psa_company(integration, name="Unlinked", gone_at=EARLY)
    make_link(make_company(tenant), integration, external_id=linked.external_id)
    make_link(
        make_company(tenant), integration, external_id=unlinked.external_id, unlinked_at=EARLY
    )
    add(make_integration(tenant), "Of another account")
    add(make_integration(other_tenant), "Zoë of another tenant", external_id="4711")

    def found(**wanted: Any) -> list[str]:
        return [row.name for row in list_psa_companies(integration, **wanted)]

    assert found() == ["Hidden", "Linked", "Unlinked", "Zoë Ärzte"]
    assert found(search=" OË arz ") == ["Zoë Ärzte"]
    assert found(search="ZOE A") == ["Zoë Ärzte"]
    assert found(search="711") == ["Zoë Ärzte"]
    assert found(search="%") == []
    assert found(search="\0") == ["Hidden", "Linked", "Unlinked", "Zoë Ärzte"]
    assert found(importable=True) == ["Unlinked", "Zoë Ärzte"]
    assert found(importable=False) == ["Hidden", "Linked"]
    assert found(linked=True) == ["Linked"]
    assert found(linked=False) == ["Hidden", "Unlinked", "Zoë Ärzte"]
    assert found(status="not approved") == ["Hidden"]
    assert found(status="Active", importable=False) == ["Linked"]


def test_the_list_costs_the_same_wherever_and_however_filtered(
    tenant: Tenant, integration: Integration
) -> None:
    client = browser(make_member(tenant))
    address = f"/integrations/{integration.pk}/companies/"
    add(integration, "A", "B")
    client.get(address)
    few = queries(lambda: client.get(address))
    add(integration, *(f"Firm {number:03}" for number in range(200)))
    client.get(address)
    some = PsaCompanyRecord.objects.get(name="Firm 100").external_id

    assert queries(lambda: client.get(address)) == few
    costs = {
        narrowed: queries(lambda query=narrowed: client.get(f"{address}?{query}"))
        for narrowed in (
            "search=firm",
            "importable=yes",
            "linked=no",
            "status=Active",
            f"after={some}",
        )
    }
    assert set(costs.values()) == {few - 5, few - 4}  # no visit; one to find the place
    assert few <= 20


def test_the_rest_list_costs_the_same_wherever(tenant: Tenant, integration: Integration) -> None:
    api = make_api(tenant)
    address = f"{V1}/integrations/{integration.pk}/psa-companies/"
    add(integration, "A", "B")
    api.get(address)
    few = queries(lambda: api.get(address))
    add(integration, *(f"Firm {number:03}" for number in range(200)))

    following = api.get(f"{address}?search=firm").json()["next"]

    assert queries(lambda: api.get(f"{address}?page_size=200")) == few
    assert queries(lambda: api.get(following)) == few
    assert api.get(following).json()["results"][0]["name"] == "Firm 050"


# The search index


@pytest.fixture
def postgres(db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no trigram index")


def index() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'psa_companies_search'"
            " AND schemaname = current_schema()"
        )
        found = cursor.fetchone()
    return found[0].rpartition(" USING ")[2] if found else ""


def test_the_planner_answers_search_filters_and_pages_from_an_index(
    postgres: None, integration: Integration, other_tenant: Tenant
) -> None:
    for owner in (integration, make_integration(other_tenant)):
        PsaCompanyRecord.objects.bulk_create(
            PsaCompanyRecord(
                tenant_id=owner.tenant_id, integration=owner, external_id=str(number),
                name="Firm", search_text=sha256(b"%d" % number).hexdigest(), status="Active", importable=number % 7 > 0,
                fingerprint="", seen_at=EARLY, first_seen_at=EARLY,
            )
            for number in range(4000)
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT gin_clean_pending_list('psa_companies_search')")
        cursor.execute("ANALYZE integrations_psacompanyrecord")

    def plan(**wanted: Any) -> str:
        return list_psa_companies(integration, **wanted)[:51].explain()

    def behind(start: str) -> str:
        rows = list_psa_companies(integration).filter(search_text__gte=start)
        return rows[:51].explain()

    assert index() == "gin (integration_id, search_text gin_trgm_ops)"
    assert "Bitmap Index Scan on psa_companies_search" in plan(
        search=sha256(b"2777").hexdigest()[8:20]
    )
    assert "Index Scan using psa_companies_by_name" in plan()
    assert "Index Scan using psa_companies_by_name" in behind("c")
    assert "Index Scan using psa_companies_importable" in plan(importable=True)
    assert "Index Scan using psa_companies_by_status" in plan(status="gone")
    assert "psa_companies_by_age" in plan(new=True, since=timezone.now())


def test_a_role_that_may_not_create_extensions_searches_without_the_index(
    postgres: None, integration: Integration
) -> None:
    migration = import_module("integrations.migrations.0003_import_list_search")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DROP EXTENSION pg_trgm CASCADE")
        cursor.execute("CREATE ROLE audit_list_test")
        cursor.execute("GRANT ALL ON SCHEMA public TO audit_list_test")
        cursor.execute("ALTER TABLE integrations_psacompanyrecord OWNER TO audit_list_test")
        cursor.execute("SET ROLE audit_list_test")
        try:
            with connection.schema_editor() as editor:
                migration.add_search_index(apps, editor)
        finally:
            cursor.execute("RESET ROLE")

    add(integration, "Zoë")
    assert index() == ""
    assert [row.name for row in list_psa_companies(integration, search="zoe")] == ["Zoë"]


def test_with_pg_trgm_alone_the_index_is_over_all_tenants(postgres: None) -> None:
    migration = import_module("integrations.migrations.0003_import_list_search")
    with connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION btree_gin CASCADE")
    with connection.schema_editor() as editor:
        any(migration.succeeds(editor, statement) for statement in migration.SEARCH_INDEXES)

    assert index() == "gin (search_text gin_trgm_ops)"


# What is new


def test_who_never_looked_sees_no_count(tenant: Tenant, integration: Integration) -> None:
    add(integration, "A", "B")
    client = browser(make_member(tenant))

    before = text(client.get("/integrations/"))
    first = client.get(f"/integrations/{integration.pk}/companies/")

    assert "you last looked" not in before
    assert "you last looked" not in text(first)
    assert marked(first) == []


def test_what_came_since_the_last_visit_is_counted_marked_and_listed(
    tenant: Tenant, integration: Integration
) -> None:
    add(integration, "Anvil", "Birch", first_seen_at=EARLY)
    user = make_member(tenant, "viewer")
    address = f"/integrations/{integration.pk}/companies/"
    assert "you last looked" not in text(browser(user).get("/integrations/"))
    browser(user).get(address)
    assert "you last looked" not in text(browser(user).get("/integrations/"))

    add(integration, "Cedar", "Dune", "Apple")
    add(integration, "Gone again", gone_at=timezone.now())
    client = browser(user)

    assert "3 new since you last looked" in text(client.get("/integrations/"))
    settings = text(client.get(f"/integrations/{integration.pk}/"))
    assert "3 new in ConnectWise Manage since you last looked" in settings
    everything = client.get(address)
    assert "3 new in ConnectWise Manage since you last looked" in text(everything)
    assert names(everything) == ["Anvil", "Apple", "Birch", "Cedar", "Dune", "Gone again"]
    assert marked(everything) == ["Apple", "Cedar", "Dune"]
    assert "you last looked" not in text(client.get("/integrations/"))
    assert Company.objects.count() == 0  # nothing is ever imported by this


def test_a_visit_goes_on_showing_what_was_new_when_it_began(
    tenant: Tenant, integration: Integration
) -> None:
    add(integration, "Anvil", first_seen_at=EARLY)
    user = make_member(tenant)
    address = f"/integrations/{integration.pk}/companies/"
    browser(user).get(address)
    add(integration, "Birch", "Cedar")
    client = browser(user)

    assert names(client.get(f"{address}?new=yes")) == ["Birch", "Cedar"]
    assert names(client.get(f"{address}?new=yes")) == ["Birch", "Cedar"]
    assert names(client.get(f"{address}?new=yes&search=ced")) == ["Cedar"]
    assert marked(client.get(f"{address}?importable=yes")) == ["Birch", "Cedar"]
    add(integration, "Dune")
    assert "1 new since you last looked" in text(client.get("/integrations/"))
    assert marked(client.get(address)) == ["Birch", "Cedar", "Dune"]
    assert marked(browser(user).get(address)) == []  # the next visit


def test_a_visit_ends_after_half_an_hour(tenant: Tenant, integration: Integration) -> None:
    user = make_member(tenant)
    address = f"/integrations/{integration.pk}/companies/"
    began = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    with time_machine.travel(began, tick=False):
        add(integration, "Anvil")
        browser(user).get(address)
    with time_machine.travel(began + timedelta(days=1), tick=False):
        add(integration, "Birch")
        client = browser(user)
        assert marked(client.get(address)) == ["Birch"]
    with time_machine.travel(began + timedelta(days=1, minutes=29), tick=False):
        assert marked(client.get(address)) == ["Birch"]
    with time_machine.travel(began + timedelta(days=1, minutes=58), tick=False):
        assert marked(client.get(address)) == ["Birch"]
    with time_machine.travel(began + timedelta(days=1, minutes=89), tick=False):
        assert marked(client.get(address)) == []


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?search=a", {}),
        ("?importable=yes", {}),
        ("?after=1", {}),
        ("?from=k", {}),
        ("?new=yes&linked=no", {}),
        ("", {"HTTP_HX_REQUEST": "true"}),
    ],
)
def test_filters_pages_and_fragments_are_no_visit(
    tenant: Tenant, integration: Integration, query: str, headers: dict[str, str]
) -> None:
    add(integration, "Anvil", first_seen_at=EARLY)
    user = make_member(tenant)
    look(integration=integration, user=user)
    add(integration, "Birch")

    answer = browser(user).get(f"/integrations/{integration.pk}/companies/{query}", **headers)

    assert answer.status_code == 200
    assert ImportListVisit.objects.get().looked_at == EARLY
    assert "1 new since you last looked" in text(browser(user).get("/integrations/"))


def test_an_empty_filter_form_opens_the_list(tenant: Tenant, integration: Integration) -> None:
    add(integration, "Anvil", first_seen_at=EARLY)

    browser(make_member(tenant)).get(
        f"/integrations/{integration.pk}/companies/?search=&importable=&linked=&new="
    )

    assert ImportListVisit.objects.get().looked_at == EARLY


def test_looking_is_each_persons_own(tenant: Tenant, integration: Integration) -> None:
    add(integration, "Anvil", first_seen_at=EARLY)
    ada, ben, cleo = (make_member(tenant) for _ in range(3))
    for user in (ada, ben):
        look(integration=integration, user=user)
    add(integration, "Birch", "Cedar")
    browser(ada).get(f"/integrations/{integration.pk}/companies/")

    assert news(tenant, ada, [integration]) == {integration.pk: Tally(0, 1000)}
    assert news(tenant, ben, [integration]) == {integration.pk: Tally(2, 1000)}
    assert news(tenant, cleo, [integration]) == {}


def test_looking_is_of_one_tenant(
    tenant: Tenant, other_tenant: Tenant, integration: Integration
) -> None:
    theirs = make_integration(other_tenant)
    add(integration, "Anvil", first_seen_at=EARLY)
    add(theirs, "Anvil", first_seen_at=EARLY)
    user = make_member(tenant)
    Membership.objects.create(tenant=other_tenant, user=user, role="viewer")
    look(integration=integration, user=user)
    look(integration=theirs, user=user)
    add(theirs, "Birch", "Cedar")

    assert news(tenant, user, [integration, theirs]) == {integration.pk: Tally(0, 1000)}
    assert news(other_tenant, user, [theirs]) == {theirs.pk: Tally(2, 1000)}


def test_what_a_sync_was_writing_during_the_look_is_new_the_next_time(
    tenant: Tenant, integration: Integration
) -> None:
    """A row's time is set before it can be seen; the clock would miss it."""
    user = make_member(tenant)
    add(integration, "Anvil", first_seen_at=EARLY)
    being_written = timezone.now()
    look(integration=integration, user=user)

    add(integration, "Birch", first_seen_at=being_written)

    assert news(tenant, user, [integration]) == {integration.pk: Tally(1, 1000)}


def test_an_empty_list_has_not_been_looked_at(tenant: Tenant, integration: Integration) -> None:
    user = make_member(tenant)
    client = browser(user)
    address = f"/integrations/{integration.pk}/companies/"

    client.get(address)
    add(integration, "Anvil", "Birch")

    assert "you last looked" not in text(client.get("/integrations/"))
    assert marked(client.get(address)) == []
    assert ImportListVisit.objects.count() == 1
    assert "Nothing is new since you last looked." in text(client.get(f"{address}?new=yes"))


def test_the_integrations_page_costs_the_same_however_many(tenant: Tenant) -> None:
    user = make_member(tenant)
    client = browser(user)

    def connect() -> None:
        integration = make_integration(tenant)
        add(integration, "Anvil", first_seen_at=EARLY)
        look(integration=integration, user=user)
        add(integration, "Birch")

    connect()
    client.get("/integrations/")
    one = queries(lambda: client.get("/integrations/"))
    for _ in range(4):
        connect()

    assert text(client.get("/integrations/")).count("1 new since you last looked") == 5
    assert queries(lambda: client.get("/integrations/")) == one


def test_rest_tells_what_is_new_without_looking(tenant: Tenant, integration: Integration) -> None:
    api = make_api(tenant, "viewer")
    add(integration, "Anvil", first_seen_at=EARLY)
    one, listed = f"{V1}/integrations/{integration.pk}/", f"{V1}/integrations/"
    rows = f"{one}psa-companies/"

    assert api.get(one).json()["new_psa_companies"] is None
    assert api.get(f"{rows}?new=true").json()["results"] == []
    look(integration=integration, user=api.user)
    add(integration, "Birch")
    add(integration, "Gone again", gone_at=timezone.now())

    for _ in range(2):
        assert api.get(one).json()["new_psa_companies"] == 1
        assert api.get(listed).json()["results"][0]["new_psa_companies"] == 1
        found = {row["name"]: row for row in api.get(rows).json()["results"]}
        assert {name: row["new"] for name, row in found.items()} == {
            "Anvil": False, "Birch": True, "Gone again": False,
        }  # fmt: skip
    assert found["Anvil"]["first_seen_at"] == "2026-11-01T00:00:00Z"
    assert [row["name"] for row in api.get(f"{rows}?new=true").json()["results"]] == ["Birch"]
    assert [row["name"] for row in api.get(f"{rows}?new=false").json()["results"]] == [
        "Anvil",
        "Gone again",
    ]
    other = make_api(tenant)
    assert other.get(one).json()["new_psa_companies"] is None


def test_rest_counts_what_is_new_up_to_a_thousand(tenant: Tenant, integration: Integration) -> None:
    api = make_api(tenant)
    add(integration, "Anvil", first_seen_at=EARLY)
    look(integration=integration, user=api.user)
    now = timezone.now()
    PsaCompanyRecord.objects.bulk_create(
        PsaCompanyRecord(
            tenant=tenant, integration=integration, external_id=f"n{n}", name="N",
            search_text=f"n n{n}", fingerprint="", seen_at=now,
        )
        for n in range(1005)
    )  # fmt: skip

    assert api.get(f"{V1}/integrations/{integration.pk}/").json()["new_psa_companies"] == 1000
    assert "1,000+ new since" in text(browser(api.user).get("/integrations/"))


def test_the_schema_tells_of_new_companies(tenant: Tenant) -> None:
    schema = make_api(tenant).get(f"{V1}/schema/?format=json").json()

    integration = schema["components"]["schemas"]["Integration"]["properties"]
    rows = schema["paths"]["/api/v1/integrations/{id}/psa-companies/"]["get"]["parameters"]
    assert integration["new_psa_companies"]["type"] == ["integer", "null"]
    assert "null = you never looked" in integration["new_psa_companies"]["description"]
    assert "new" in {parameter["name"] for parameter in rows}
