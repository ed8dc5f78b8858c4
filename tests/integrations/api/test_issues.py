"""The issues inbox over REST."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from audit_site.tenants.models import AuditEvent, Tenant, User
from integrations.issues import inbox
from integrations.models import Integration, Issue, SyncRun
from tests.clients import V1, api_of, problem
from tests.factories import make_api, make_company, make_integration, make_issue, make_link


def stamp(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z")


def test_an_issue_says_what_why_since_when_and_what_to_do(vic: User, tenant: Tenant) -> None:
    integration, company = make_integration(tenant), make_company(tenant)
    make_link(company, integration, external_id="7")
    run = SyncRun.objects.create(tenant=tenant, integration=integration)
    values = {"kind": "agreements", "external_id": "31", "name": "Gold", "company_external_id": "7"}
    make_issue(integration, **values)
    issue = make_issue(integration, run, **values)
    api = api_of(vic)

    body = api.get(f"{V1}/integrations/{integration.pk}/issues/").json()

    assert body == {
        "next": None,
        "previous": None,
        "results": [
            {
                "id": str(issue.pk),
                "kind": "agreements",
                "external_id": "31",
                "company": str(company.pk),
                "code": "invalid_record",
                "name": "Gold",
                "message": "The record is set aside: its name is missing.",
                "fix": "Give it a name in ConnectWise Manage.",
                "times": 2,
                "first_seen_at": stamp(issue.first_seen_at),
                "last_seen_at": stamp(issue.last_seen_at),
                "state": "open",
                "sync_run": str(run.pk),
                "can": [],
            }
        ],
    }


def test_the_list_is_by_state_and_of_this_integration(
    api: APIClient, tenant: Tenant, other_tenant: Tenant
) -> None:
    integration = make_integration(tenant)
    closed, dismissed, waiting = (make_issue(integration) for _ in range(3))
    inbox.close_issues(integration, kind="companies", external_ids=[closed.external_id])
    inbox.dismiss(dismissed, actor=None)
    make_issue(make_integration(tenant))
    make_issue(make_integration(other_tenant), external_id=waiting.external_id)

    def found(query: str) -> list[tuple[str, str]]:
        address = f"{V1}/integrations/{integration.pk}/issues/{query}"
        return [(row["id"], row["state"]) for row in api.get(address).json()["results"]]

    assert found("?state=open") == [(str(waiting.pk), "open")]
    assert found("?state=dismissed") == [(str(dismissed.pk), "dismissed")]
    assert found("?state=closed") == [(str(closed.pk), "closed")]
    assert found("") == [
        (str(waiting.pk), "open"),
        (str(dismissed.pk), "dismissed"),
        (str(closed.pk), "closed"),
    ]


def test_the_pages_follow_each_other(api: APIClient, tenant: Tenant) -> None:
    integration = make_integration(tenant)
    rows = [make_issue(integration) for _ in range(3)]

    first = api.get(f"{V1}/integrations/{integration.pk}/issues/?page_size=2").json()
    second = api.get(first["next"]).json()

    told = [row["id"] for page in (first, second) for row in page["results"]]
    assert told == [str(row.pk) for row in reversed(rows)]
    assert second["next"] is None


def test_an_integration_counts_its_open_issues(
    api: APIClient, tenant: Tenant, other_tenant: Tenant
) -> None:
    with_two, with_none = make_integration(tenant), make_integration(tenant)
    gone, aside, *_ = (make_issue(with_two) for _ in range(4))
    inbox.close_issues(with_two, kind="companies", external_ids=[gone.external_id])
    inbox.dismiss(aside, actor=None)
    make_issue(make_integration(other_tenant))

    listed = api.get(f"{V1}/integrations/").json()["results"]

    assert {row["id"]: row["open_issues"] for row in listed} == {
        str(with_two.pk): 2,
        str(with_none.pk): 0,
    }
    assert api.get(f"{V1}/integrations/{with_two.pk}/").json()["open_issues"] == 2
    assert api.patch(f"{V1}/integrations/{with_two.pk}/", {"name": "B"}).json()["open_issues"] == 2
    Integration.objects.filter(pk=with_two.pk).update(status="disconnected")
    assert api.get(f"{V1}/integrations/{with_two.pk}/").json()["open_issues"] == 2


@pytest.mark.parametrize("path", ["integrations/", "integrations/{}/issues/"])
def test_a_list_costs_the_same_however_many_issues(alex: User, tenant: Tenant, path: str) -> None:
    integration, api = make_integration(tenant), api_of(alex)

    def add(count: int) -> None:
        for number in range(count):
            company, other = make_company(tenant), make_integration(tenant)
            link = make_link(company, integration)
            run = SyncRun.objects.create(tenant=tenant, integration=other)
            make_issue(integration, run, company_external_id=link.external_id)
            make_issue(other, name=str(number))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            answer = api.get(f"{V1}/{path.format(integration.pk)}?page_size=200")
        assert answer.status_code == 200
        return len(captured)

    api.get(f"{V1}/psas/")
    add(1)
    one = queries()
    add(9)
    assert queries() == one


def test_reading_again_is_202_and_then_the_same_run_with_200(mia: User, tenant: Tenant) -> None:
    issue = make_issue(make_integration(tenant), company_external_id="7")
    api = api_of(mia)

    first = api.post(f"{V1}/issues/{issue.pk}/retry/")
    second = api.post(f"{V1}/issues/{issue.pk}/retry/")

    assert first["RateLimit-Policy"] == '"resyncs";q=240;w=3600, "syncs";q=60;w=3600'
    assert [part.split(";")[:2] for part in first["RateLimit"].split(", ")] == [
        ['"resyncs"', "r=239"],
        ['"syncs"', "r=60"],
    ]

    run = SyncRun.objects.get()
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"] == str(run.pk)
    assert (run.scope, run.companies, run.trigger) == ("companies", ["7"], "manual")
    assert run.started_by == api.user


def test_reading_everything_again_is_202_and_then_the_same_run_with_200(
    mia: User, tenant: Tenant
) -> None:
    integration = make_integration(tenant)
    api = api_of(mia)

    first = api.post(f"{V1}/integrations/{integration.pk}/issues/retry/")
    second = api.post(f"{V1}/integrations/{integration.pk}/issues/retry/")

    run = SyncRun.objects.get()
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"] == str(run.pk)
    assert (run.scope, run.trigger, run.accept_gone) == ("all", "manual", {})


def test_dismissing_answers_with_the_issue(mia: User, tenant: Tenant) -> None:
    integration, company = make_integration(tenant), make_company(tenant)
    make_link(company, integration, external_id="7")
    issue = make_issue(integration, company_external_id="7")
    api = api_of(mia)

    answer = api.post(f"{V1}/issues/{issue.pk}/dismiss/")

    assert answer.status_code == 200
    assert answer.json()["id"] == str(issue.pk)
    assert answer.json()["state"] == "dismissed"
    assert answer.json()["company"] == str(company.pk)
    issue.refresh_from_db()
    assert issue.dismissed_by == api.user
    assert api.post(f"{V1}/issues/{issue.pk}/dismiss/").status_code == 200
    inbox.close_issues(integration, kind="companies")
    make_issue(integration, external_id=issue.external_id)
    listed = api.get(f"{V1}/integrations/{integration.pk}/issues/").json()["results"]
    assert [row["state"] for row in listed] == ["open", "closed"]


def test_an_admin_says_that_they_are_gone(api: APIClient, tenant: Tenant) -> None:
    integration = make_integration(tenant)
    question = make_issue(integration, code="too_many_gone", external_id="")
    ordinary = make_issue(integration)

    refused = api.post(f"{V1}/issues/{ordinary.pk}/confirm-gone/")
    said = api.post(f"{V1}/issues/{question.pk}/confirm-gone/")
    again = api.post(f"{V1}/issues/{question.pk}/confirm-gone/")

    run = SyncRun.objects.get()
    assert problem(refused) == (409, "no_question")
    assert (said.status_code, said.json()["id"]) == (202, str(run.pk))
    assert (run.scope, run.accept_gone) == ("all", {question.external_id: question.count or 0})
    assert problem(again) == (409, "run_under_way")


def test_a_closed_issue_is_409(alex: User, tenant: Tenant) -> None:
    integration = make_integration(tenant)
    issue = make_issue(integration)
    inbox.close_issues(integration, kind="companies")

    assert problem(api_of(alex).post(f"{V1}/issues/{issue.pk}/retry/")) == (409, "issue_closed")


@pytest.mark.parametrize(
    ("role", "path", "code"),
    [
        ("viewer", "issues/{issue}/retry/", "member_required"),
        ("viewer", "issues/{issue}/dismiss/", "member_required"),
        ("viewer", "issues/{issue}/confirm-gone/", "admin_required"),
        ("member", "issues/{issue}/confirm-gone/", "admin_required"),
        ("viewer", "integrations/{integration}/issues/retry/", "member_required"),
    ],
)
def test_who_may_not_gets_403_and_nothing_changes(
    tenant: Tenant, role: str, path: str, code: str
) -> None:
    issue = make_issue(make_integration(tenant), code="too_many_gone")
    address = path.format(issue=issue.pk, integration=issue.integration_id)

    assert problem(make_api(tenant, role).post(f"{V1}/{address}")) == (403, code)
    assert Issue.objects.get().state == "open"
    assert not SyncRun.objects.exists()
    assert not AuditEvent.objects.filter(subject_kind="integration").exists()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("issues/{issue}/retry/", 202),
        ("issues/{issue}/dismiss/", 200),
        ("issues/{issue}/confirm-gone/", 202),
        ("integrations/{integration}/issues/retry/", 202),
    ],
)
def test_the_same_key_is_carried_out_once(
    api: APIClient, tenant: Tenant, path: str, status: int
) -> None:
    issue = make_issue(make_integration(tenant), code="too_many_gone")
    address = f"{V1}/{path.format(issue=issue.pk, integration=issue.integration_id)}"

    first = api.post(address, HTTP_IDEMPOTENCY_KEY="k")
    SyncRun.objects.update(state="succeeded")
    second = api.post(address, HTTP_IDEMPOTENCY_KEY="k")

    assert (first.status_code, second.status_code) == (status, status)
    assert second.headers["Idempotent-Replay"] == "true"
    assert first.json() == second.json()
    assert SyncRun.objects.count() == (1 if status == 202 else 0)


@pytest.mark.parametrize("act", ["retry", "dismiss", "confirm-gone"])
def test_another_tenants_issue_is_404(api: APIClient, other_tenant: Tenant, act: str) -> None:
    foreign = make_issue(make_integration(other_tenant), code="too_many_gone")

    assert problem(api.post(f"{V1}/issues/{foreign.pk}/{act}/")) == (404, "not_found")
    assert problem(api.post(f"{V1}/issues/nonsense/{act}/")) == (404, "not_found")
    assert Issue.objects.get().state == "open"
    assert not SyncRun.objects.exists()


def test_the_schema_describes_the_whole_inbox(db: None) -> None:
    schema = APIClient().get(f"{V1}/schema/", HTTP_ACCEPT="application/json").json()
    paths, shape = schema["paths"], schema["components"]["schemas"]["Issue"]

    listing = paths["/api/v1/integrations/{id}/issues/"]["get"]
    assert {p["name"] for p in listing["parameters"]} >= {"id", "state", "cursor", "page_size"}
    answers = {
        path: set(paths[path]["post"]["responses"]) & {"200", "202"}
        for path in paths
        if "/issues/" in path and "post" in paths[path]
    }
    assert answers == {
        "/api/v1/integrations/{id}/issues/retry/": {"200", "202"},
        "/api/v1/issues/{id}/retry/": {"200", "202"},
        "/api/v1/issues/{id}/dismiss/": {"200"},
        "/api/v1/issues/{id}/confirm-gone/": {"202"},
    }
    assert list(shape["properties"]) == [
        "id", "kind", "external_id", "company", "code", "name", "message", "fix", "times",
        "first_seen_at", "last_seen_at", "state", "sync_run", "can",
    ]  # fmt: skip
    assert schema["components"]["schemas"]["Integration"]["properties"]["open_issues"] == {
        "type": "integer",
        "description": "Issues that wait for a person.",
        "readOnly": True,
    }
