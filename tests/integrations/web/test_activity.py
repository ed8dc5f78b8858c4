"""What happened, in one list: syncs, tests, imports, links and decisions."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from agreements.models import ChoiceRecord
from audit_site.tenants.models import Tenant, User
from integrations.models import ConnectionTest, ImportBatch, ImportBatchRow, Integration, LinkBatch
from tests.clients import browser, page_text
from tests.factories import make_agreement, make_company, make_integration, make_link, make_run
from tests.queries import queries

ROW = re.compile(r"<tr><td>(.*?)</td><td[^>]*>(.*?)</td><td[^>]*>.*?</td></tr>", re.DOTALL)


def rows(client: Client, query: str = "") -> list[tuple[str, str]]:
    """What the page shows: each row's first link, and who did it."""
    page = page_text(client.get(f"/activity/{query}"))
    body = page[page.index("<tbody>") :]
    return [
        (re.sub(r"<[^>]*>", "", re.split("</a>", what)[0]).strip(), by)
        for what, by in ROW.findall(body)
    ]


@pytest.fixture
def history(tenant: Tenant, other_tenant: Tenant, alex: User, mia: User) -> Integration:
    """One of each kind, oldest first; another tenant has some too."""
    desk = make_integration(tenant, name="Desk")
    ConnectionTest.objects.create(tenant=tenant, integration=desk, state="done", ok=True)
    make_run(desk, state="succeeded", phase="", trigger="connect")
    batch = ImportBatch.objects.create(tenant=tenant, started_by=mia, state="done", total=2)
    imported = make_company(tenant, name="Imported")
    ImportBatchRow.objects.create(
        tenant=tenant, batch=batch, position=0, integration=desk, external_id="1",
        name="Imported", company=imported, state="done",
    )  # fmt: skip
    make_link(imported, desk, external_id="1", linked_by=mia)
    acme = make_company(tenant, name="Acme")
    make_link(acme, desk, external_id="2", linked_by=alex)
    LinkBatch.objects.create(tenant=tenant, made_by_name=str(mia))
    agreement = make_agreement(acme, desk, name="Gold")
    ChoiceRecord.objects.create(
        tenant=tenant, agreement=agreement, agreement_pk=agreement.pk, source="connectwise",
        external_id=agreement.external_id, name="Gold", after={"exclude": True},
        note="They left", actor=alex, actor_name=str(alex),
    )  # fmt: skip
    make_run(make_integration(other_tenant, name="Foreign"), state="succeeded")
    return desk


ALL = [
    ("Gold of Acme", "Alex Admin"),
    ("0 suggested links confirmed", "Mia Member"),
    ("Acme linked to Desk", "Alex Admin"),
    ("Import of 2 companies", "Mia Member"),
    ("Sync of Desk", "the new connection"),
    ("Test of Desk", ""),
]


def test_everything_is_in_one_list_the_newest_first(history: Integration, mia: User) -> None:
    assert rows(browser(mia)) == ALL


def test_a_decision_says_what_it_was_and_why(history: Integration, vic: User) -> None:
    assert "Left out: They left" in page_text(browser(vic).get("/activity/"))


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("?kind=sync", [4]),
        ("?kind=test", [5]),
        ("?kind=import", [3]),
        ("?kind=link", [1, 2]),
        ("?kind=decision", [0]),
        ("?kind=nonsense", []),
        ("?person=nonsense", []),
        ("?integration=nonsense", []),
        ("?integration={desk}", [0, 2, 3, 4, 5]),
        ("?integration={desk}&kind=link", [2]),
        ("?person={alex}", [0, 2]),
        ("?person={mia}", [1, 3]),
        ("?person={otto}", []),
    ],
)
def test_it_is_narrowed_by_connection_kind_and_person(
    history: Integration, alex: User, mia: User, otto: User, query: str, wanted: list[int]
) -> None:
    people = {"alex": alex.pk, "mia": mia.pk, "otto": otto.pk}

    found = rows(browser(mia), query.format(desk=history.pk, **people))

    assert found == [ALL[place] for place in wanted]


def test_another_tenants_connection_shows_nothing(history: Integration, otto: User) -> None:
    assert rows(browser(otto), f"?integration={history.pk}") == []
    assert rows(browser(otto)) == [("Sync of Foreign", "a program")]


def test_a_page_ends_where_the_next_one_goes_on(tenant: Tenant, mia: User) -> None:
    desk = make_integration(tenant, name="Desk")
    for number in range(60):
        name = make_company(tenant, name=f"Company {number}")
        make_run(desk, state="succeeded", scope="companies", company=name)
        ConnectionTest.objects.create(tenant=tenant, integration=desk, state="done", ok=True)
    client = browser(mia)

    seen, query = [], ""
    while query is not None:
        page = page_text(client.get(f"/activity/{query}"))
        seen += rows(client, query)
        older = re.search(r'href="(\?before=[0-9a-f-]+)">Older', page)
        query = older[1] if older else None

    assert [what for what, _ in seen] == [
        text
        for number in reversed(range(60))
        for text in ("Test of Desk", f"Sync of Desk: Company {number}")
    ]


def test_links_that_were_made_in_one_go_are_one_row(tenant: Tenant, mia: User) -> None:
    desk, at = make_integration(tenant, name="Desk"), timezone.now() - timedelta(days=1)
    for number in range(3):
        company = make_company(tenant, name=f"Company {number}")
        make_link(company, desk, external_id=str(number), linked_by=mia, linked_at=at)
    make_link(make_company(tenant, name="Later"), desk, external_id="9", linked_by=mia)

    page = page_text(browser(mia).get("/activity/"))

    assert "3 audITees linked to Desk" in page
    assert re.findall(r">(\w+ ?\d?) linked to Desk</a>", page) == [
        *("Later", "Company 2", "Company 1", "Company 0")
    ]


def test_it_takes_the_same_statements_however_much_happened(
    history: Integration, mia: User
) -> None:
    client = browser(mia)
    client.get("/activity/")
    few = queries(lambda: client.get("/activity/"))
    for number in range(20):
        company = make_company(history.tenant)
        make_link(company, history, external_id=f"x{number}", linked_by=mia)
        make_run(history, state="succeeded", scope="companies", company=company)

    assert queries(lambda: client.get("/activity/")) == few
