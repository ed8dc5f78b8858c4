"""The second wall itself, with nothing of the first in its way."""

from __future__ import annotations

import threading
from typing import Any

import psycopg2.extensions
import pytest
from django.db import ProgrammingError, connection, transaction
from django.http import HttpRequest, JsonResponse
from django.test import Client
from django.urls import include, path

from audit_site.db import walls
from audit_site.tenants.models import Membership, Tenant, User
from audit_site.tenants.tokens import create_api_token, hash_token
from companies.models import Company
from tests.audit_site.db.walls.conftest import ask
from tests.clients import browser
from tests.factories import make_company, make_member, make_run

pytestmark = pytest.mark.postgres

NAMES = "SELECT name FROM companies_company ORDER BY name"


def forgetful(request: HttpRequest) -> JsonResponse:
    """A view that forgot `for_tenant`."""
    names = [company.name for company in Company.objects.order_by("name")]
    changed = Company.objects.filter(name="Of Other").update(type="prospect")
    return JsonResponse({"names": names, "changed": changed})


urlpatterns = [path("forgetful/", forgetful), path("", include("audit_site.urls"))]


@pytest.fixture
def companies(tenant: Tenant, other_tenant: Tenant) -> tuple[Company, Company]:
    return make_company(tenant, name="Of Acme"), make_company(other_tenant, name="Of Other")


Companies = tuple[Company, Company]


def test_nobody_sees_no_row_of_any_tenant(companies: Companies) -> None:
    tables = "SELECT tablename FROM pg_policies GROUP BY tablename"

    with walls.door():
        counts = {
            table: ask(f'SELECT count(*) FROM "{table}"')  # noqa: S608
            for (table,) in ask(tables)
        }

    assert len(counts) > 25
    assert set(map(tuple, counts.values())) == {((0,),)}
    assert ask(NAMES) == [("Of Acme",), ("Of Other",)], "the test itself sees everything"


def test_within_a_tenant_its_rows_alone_are_there(
    tenant: Tenant, other_tenant: Tenant, companies: Companies
) -> None:
    with walls.within(tenant.pk):
        assert ask(NAMES) == [("Of Acme",)]
        assert ask("SELECT id FROM tenants_tenant") == [(tenant.pk,)]
        with walls.within(other_tenant.pk):
            assert ask(NAMES) == [("Of Other",)]
        assert ask(NAMES) == [("Of Acme",)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE companies_company SET name = 'Stolen' RETURNING name",
        "DELETE FROM companies_company RETURNING name",
        "UPDATE tenants_tenant SET company_limit = 10000 RETURNING name",
        "DELETE FROM tenants_membership RETURNING id",
    ],
)
def test_nobody_and_the_system_change_nothing(companies: Companies, statement: str) -> None:
    for who in (walls.door(), walls.as_system("sweep"), walls.as_system("verify_mrr")):
        with who:
            assert ask(statement) == []


def test_a_row_can_be_neither_made_for_another_tenant_nor_moved_there(
    tenant: Tenant, other_tenant: Tenant, companies: Companies
) -> None:
    for act in (
        lambda: make_company(other_tenant, name="Planted"),
        lambda: Company.objects.filter(name="Of Acme").update(tenant=other_tenant),
        lambda: Tenant.objects.create(name="Another"),
    ):
        with walls.within(tenant.pk), pytest.raises(ProgrammingError, match="row-level security"):
            with transaction.atomic():
                act()


def test_a_person_sees_in_which_tenants_they_are(
    tenant: Tenant, other_tenant: Tenant, alex: User, mia: User, otto: User
) -> None:
    Membership.objects.create(tenant=other_tenant, user=mia, role="viewer")

    with walls.as_person(mia.pk):
        seen = ask("SELECT tenant_id, user_id FROM tenants_membership ORDER BY id")
        tenants = ask("SELECT id FROM tenants_tenant ORDER BY id")
    with walls.as_person(alex.pk):
        tenants_of_alex = ask("SELECT id FROM tenants_tenant")

    assert seen == [(tenant.pk, mia.pk), (other_tenant.pk, mia.pk)]
    assert tenants == sorted([(tenant.pk,), (other_tenant.pk,)])
    assert tenants_of_alex == [(tenant.pk,)]


def test_a_token_is_seen_by_the_one_who_holds_it(tenant: Tenant, alex: User) -> None:
    token, plain = create_api_token(tenant=tenant, user=alex, scopes=["read"])
    create_api_token(tenant=tenant, user=alex, scopes=["read"])
    tokens = "SELECT id FROM tenants_apitoken"

    with walls.as_holder(hash_token(plain)):
        assert ask(tokens) == [(token.pk,)]
        assert ask("UPDATE tenants_apitoken SET scopes = '[]' RETURNING id") == []
    with walls.as_holder("0" * 64):
        assert ask(tokens) == []


def test_the_system_looks_only_where_its_reason_leads(integration: Any) -> None:
    run = make_run(integration)

    with walls.as_system("sweep"):
        assert ask("SELECT id FROM integrations_syncrun") == [(run.pk,)]
        assert ask("SELECT id FROM integrations_integration") == []
    with walls.as_system("remind_of_address_changes"):
        assert ask("SELECT id FROM integrations_syncrun") == []
        assert ask("SELECT id FROM integrations_integration") == [(integration.pk,)]


@pytest.mark.urls(__name__)
def test_a_view_that_forgot_its_tenant_shows_nothing_of_another(
    alex: User, otto: User, companies: Companies
) -> None:
    assert browser(alex).get("/forgetful/").json() == {"names": ["Of Acme"], "changed": 0}
    assert browser(otto).get("/forgetful/").json() == {"names": ["Of Other"], "changed": 1}


@pytest.mark.urls(__name__)
def test_a_view_that_forgot_its_tenant_shows_nothing_to_a_person_of_none(
    companies: Companies,
) -> None:
    person = make_member(Tenant.objects.create(name="Left"), email="left@example.com")
    Membership.objects.filter(user=person).delete()

    assert browser(person).get("/forgetful/").json() == {"names": [], "changed": 0}


# The setting lives as long as its transaction


def left_behind() -> set[str]:
    """What this very connection still says, asked by a cursor that tells nothing."""
    with psycopg2.extensions.cursor(connection.connection) as bare:
        names = [f"audit.{name}" for name in ("tenant", "person", "secret", "system", "everything")]
        bare.execute(
            "SELECT " + ", ".join(f"coalesce(current_setting('{n}', true), '')" for n in names)
        )
        return set(bare.fetchone()) - {""}


@pytest.fixture
def tenants(transactional_db: None) -> tuple[Tenant, Tenant]:
    made = Tenant.objects.create(name="Acme"), Tenant.objects.create(name="Other")
    for each in made:
        make_company(each, name=f"Of {each.name}")
    return made


Tenants = tuple[Tenant, Tenant]


def look_and_fail(name: str) -> None:
    assert ask(NAMES) == [(name,)]
    raise ZeroDivisionError


def look_and_err(name: str) -> None:
    assert ask(NAMES) == [(name,)]
    ask("SELECT no_such_column FROM companies_company")


def test_it_does_not_outlive_a_statement_without_a_transaction(tenants: Tenants) -> None:
    acme, other = tenants
    with walls.within(acme.pk):
        assert ask(NAMES) == [("Of Acme",)]
        assert left_behind() == set()
    with walls.within(other.pk):
        assert ask(NAMES) == [("Of Other",)]
    with walls.door():
        assert ask(NAMES) == []
    assert left_behind() == set()


def test_it_does_not_outlive_a_transaction_however_that_ends(tenants: Tenants) -> None:
    acme, other = tenants
    with walls.within(acme.pk):
        assert ask(NAMES) == [("Of Acme",)]
        with transaction.atomic():
            assert ask(NAMES) == [("Of Acme",)]
            assert left_behind() == {str(acme.pk)}
        assert left_behind() == set()
    with walls.within(acme.pk), pytest.raises(ZeroDivisionError), transaction.atomic():
        look_and_fail("Of Acme")
    assert left_behind() == set()
    with walls.within(acme.pk), pytest.raises(ProgrammingError), transaction.atomic():
        look_and_err("Of Acme")
    assert left_behind() == set()
    with walls.within(other.pk), transaction.atomic():
        assert ask(NAMES) == [("Of Other",)]


def test_a_savepoint_that_is_undone_forgets_what_was_told_in_it(tenants: Tenants) -> None:
    acme, other = tenants
    with walls.within(acme.pk), transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            look_and_fail("Of Acme")
        assert ask(NAMES) == [("Of Acme",)]
        with walls.within(other.pk), pytest.raises(ProgrammingError), transaction.atomic():
            look_and_err("Of Other")
        assert ask(NAMES) == [("Of Acme",)]


def test_one_transaction_may_work_for_several_tenants_by_turns(tenants: Tenants) -> None:
    with walls.door(), transaction.atomic():
        for tenant in (*tenants, *tenants):
            with walls.within(tenant.pk):
                assert ask(NAMES) == [(f"Of {tenant.name}",)]
            assert ask(NAMES) == []


def test_a_thread_has_to_carry_who_asks(tenants: Tenants) -> None:
    seen: list[Any] = []

    def look() -> None:
        seen.append(ask(NAMES))
        connection.close()

    with walls.within(tenants[0].pk):
        threads = [threading.Thread(target=look), threading.Thread(target=walls.carried(look))]
    for thread in threads:
        thread.start()
        thread.join()

    assert seen == [[], [("Of Acme",)]]


def test_one_connection_answers_two_tenants_in_turn(tenants: Tenants) -> None:
    clients = [browser(make_member(tenant)) for tenant in tenants]

    def names(client: Client) -> list[str]:
        found = client.get("/api/v1/companies/").json()["results"]
        return [company["name"] for company in found]

    assert [names(client) for client in (*clients, *clients)] == [["Of Acme"], ["Of Other"]] * 2
    assert left_behind() == set()
