"""REST: the audit trail is looked through and taken away, and never changed."""

from __future__ import annotations

from typing import Any

import pytest

from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import ApiToken, AuditEvent, Tenant, User
from companies.models import Company
from tests.clients import V1, api_of, browser, csv_rows, problem
from tests.factories import make_api, make_company
from tests.queries import queries

TRAIL = f"{V1}/audit-events/"


def record(tenant: Tenant, actor: User | None, subject: Any, action: str, **values: Any) -> None:
    record_audit(tenant=tenant, actor=actor, action=action, subject=subject, **values)


@pytest.fixture
def acme(tenant: Tenant, alex: User, mia: User) -> Company:
    """Three acts: Alex changed Acme, Mia archived it, and an operator changed Zebra."""
    acme, zebra = make_company(tenant, name="Acme"), make_company(tenant, name="Zebra")
    record(tenant, alex, acme, "company.changed", before={"name": "A"}, after={"name": "Acme"})
    record(tenant, mia, acme, "company.archived")
    record(tenant, None, zebra, "company.changed")
    return acme


def actions(client: Any, query: str = "") -> list[str]:
    results = client.get(TRAIL + query).json()["results"]
    return [f"{row['action']} {row['object']['name']}" for row in results]


ALL = ["company.changed Zebra", "company.archived Acme", "company.changed Acme"]


def test_an_event_says_who_from_where_what_before_and_after(alex: User, tenant: Tenant) -> None:
    browser(alex).patch(
        f"{V1}/companies/{make_company(tenant, name='A').pk}/",
        {"name": "Acme"},
        content_type="application/json",
        headers={"user-agent": "Firefox", "x-request-id": "click.1"},
    )

    (event,) = browser(alex).get(TRAIL).json()["results"]

    row = AuditEvent.objects.get()
    assert event == {
        "id": str(row.pk),
        "at": row.at.isoformat().replace("+00:00", "Z"),
        "actor": {"type": "user", "id": str(alex.pk), "name": "Alex Admin"},
        "from": {"ip": "127.0.0.1", "user_agent": "Firefox", "door": "api"},
        "action": "company.changed",
        "object": {"type": "company", "id": str(Company.objects.get().pk), "name": "Acme"},
        "before": {"name": "A"},
        "after": {"name": "Acme"},
        "request_id": "click.1",
    }
    assert browser(alex).get(f"{TRAIL}{row.pk}/").json() == event


def test_newest_first_and_by_every_filter(alex: User, mia: User, acme: Company) -> None:
    client = browser(alex)

    assert actions(client) == ALL
    assert actions(client, f"?actor={mia.pk}") == ["company.archived Acme"]
    assert actions(client, "?actor=operator") == ["company.changed Zebra"]
    assert actions(client, "?action=company.changed") == [ALL[0], ALL[2]]
    assert actions(client, f"?object={acme.pk}") == ALL[1:]
    assert actions(client, "?object=company") == ALL
    assert actions(client, "?object=zeb") == ALL[:1]
    assert actions(client, f"?object={acme.pk}&actor={alex.pk}") == ALL[2:]
    assert actions(client, "?actor=nobody") == actions(client, "?action=no.such") == []


def test_what_a_persons_token_did_is_found_by_both(alex: User) -> None:
    api_of(alex).post(f"{V1}/companies/", {"name": "B", "primary_contact": {"phone": "1"}})
    client, token = browser(alex), ApiToken.objects.get()

    assert actions(client, f"?actor={token.pk}") == ["company.created B"]
    assert "company.created B" in actions(client, f"?actor={alex.pk}")
    assert actions(client, "?actor=token") == ["company.created B"]


def test_days_are_the_accounts_own_and_moments_exact(
    alex: User, tenant: Tenant, time_machine: Any
) -> None:
    tenant.timezone = "America/New_York"
    tenant.save()
    for moment in ("2026-06-15T03:59:59Z", "2026-06-15T04:00:00Z", "2026-06-16T03:59:59.5Z"):
        time_machine.move_to(moment, tick=False)
        record(tenant, None, tenant, "company.changed", after={"at": moment})
    time_machine.move_to("2026-06-20T12:00:00Z", tick=False)
    client = browser(alex)

    def seconds(query: str) -> list[str]:
        return [row["at"][8:19] for row in client.get(TRAIL + query).json()["results"]]

    assert seconds("?from=2026-06-15&to=2026-06-15") == ["16T03:59:59", "15T04:00:00"]
    assert seconds("?to=2026-06-14") == ["15T03:59:59"]
    assert seconds("?from=2026-06-15T04:00:00Z&to=2026-06-15T04:00:00Z") == ["15T04:00:00"]
    assert seconds("?from=2026-06-16") == []


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday",
        "to=2026-02-30",
        "from=2026-06-15T10:00:00",
        "to=0001-01-01",
        "to=9999-12-31",
        "to=2026-06-14&from=2026-06-15",
        "from=9999-12-31T23:59:59-23:00",
    ],
)
def test_a_moment_that_can_not_be_read_is_400(alex: User, query: str) -> None:
    answer = browser(alex).get(f"{TRAIL}?{query}")

    assert problem(answer) == (400, "invalid_parameter")
    assert [error["field"] for error in answer.json()["errors"]] == [query.partition("=")[0]]


def test_pages_follow_each_other_at_the_cost_of_one(
    alex: User, tenant: Tenant, acme: Company
) -> None:
    client = browser(alex)
    few = queries(lambda: client.get(TRAIL))
    first = client.get(f"{TRAIL}?page_size=2").json()

    second = client.get(first["next"]).json()

    found = [row["action"] for page in (first, second) for row in page["results"]]
    assert found == ["company.changed", "company.archived", "company.changed"]
    assert (second["next"], first["previous"]) == (None, None)
    for _ in range(20):
        record(tenant, alex, acme, "company.changed")
    assert queries(lambda: client.get(TRAIL)) == few


def test_csv_is_all_of_what_is_asked_for_and_says_so(
    alex: User, mia: User, tenant: Tenant, acme: Company
) -> None:
    Company.objects.filter(pk=acme.pk).update(name="=2+5")
    record(tenant, mia, Company.objects.get(pk=acme.pk), "company.restored", after={"a": "é"})

    answer = browser(alex).get(f"{TRAIL}?actor={mia.pk}", HTTP_ACCEPT="text/csv")

    header, *rows = csv_rows(answer)
    assert answer["Content-Disposition"] == (
        f'attachment; filename="audit-trail-{tenant.today()}.csv"'
    )
    assert header[:3] == ["At (UTC)", "Actor", "Actor type"]
    assert [(row[1], row[8], row[10], row[14]) for row in rows] == [
        ("Mia Member", "brought back the audITee", "'=2+5", '{"a": "é"}'),
        ("Mia Member", "archived the audITee", "Acme", ""),
    ]
    event = AuditEvent.objects.get(action="audit.exported")
    assert (event.actor_id, event.object_id) == (str(alex.pk), str(tenant.pk))
    assert event.after == {
        "actor": str(mia.pk), "action": "", "object": "", "from": None, "to": None,
    }  # fmt: skip


def test_a_long_csv_is_read_in_pieces(
    alex: User, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit_site.tenants.audit_trail.AT_ONCE", 2)
    for number in range(5):
        record(tenant, None, tenant, "company.changed", after={"number": number})

    answer = browser(alex).get(TRAIL, HTTP_ACCEPT="text/csv")

    assert answer.streaming
    rows = csv_rows(answer)[1:]
    assert [row[14] for row in rows] == [f'{{"number": {number}}}' for number in (4, 3, 2, 1, 0)]


def test_a_refusal_of_a_csv_is_a_problem(alex: User, mia: User) -> None:
    refused = browser(mia).get(TRAIL, HTTP_ACCEPT="text/csv")
    wrong = browser(alex).get(f"{TRAIL}?from=x", HTTP_ACCEPT="text/csv")

    assert problem(refused) == (403, "admin_required")
    assert problem(wrong) == (400, "invalid_parameter")
    assert problem(browser(alex).get(TRAIL, HTTP_ACCEPT="text/html")) == (406, "not_acceptable")
    assert not AuditEvent.objects.exists()


def test_it_is_for_admins_and_of_their_own_tenant(
    alex: User, mia: User, vic: User, otto: User, tenant: Tenant, acme: Company
) -> None:
    event = AuditEvent.objects.order_by("id")[0]

    for person in (mia, vic):
        assert problem(browser(person).get(TRAIL)) == (403, "admin_required")
    assert problem(make_api(tenant, "admin", ["read"]).get(TRAIL)) == (403, "insufficient_scope")
    assert actions(browser(otto)) == []
    assert actions(browser(otto), f"?object={acme.pk}") == []
    assert problem(browser(otto).get(f"{TRAIL}{event.pk}/")) == (404, "not_found")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nobody_changes_it(alex: User, acme: Company, method: str) -> None:
    event = AuditEvent.objects.order_by("id")[0]
    client = browser(alex)

    for address in (TRAIL, f"{TRAIL}{event.pk}/"):
        assert problem(getattr(client, method)(address)) == (405, "method_not_allowed")
