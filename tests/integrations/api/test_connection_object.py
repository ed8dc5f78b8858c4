"""An integration over REST: its numbers, its health, and what may be done with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from audit_site.tenants.models import AuditEvent, Tenant, User
from integrations.models import Integration, SyncRun
from integrations.sandbox.server import SandboxServer
from tests.clients import V1, api_of, create, problem
from tests.factories import make_api, make_company, make_integration, make_link, make_psa_company
from tests.queries import queries
from tests.worker import work_off


def url(integration: Integration, act: str = "") -> str:
    return f"{V1}/integrations/{integration.pk}/{act}"


def stamp(moment: Any) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def test_it_shows_its_import_list_in_numbers(api: APIClient, integration: Integration) -> None:
    make_psa_company(integration)
    make_psa_company(integration, importable=False, rule_codes=["no_contact"])
    record = make_psa_company(integration)
    make_link(make_company(integration.tenant), integration, external_id=record.external_id)

    assert api.get(url(integration)).json()["companies"] == {
        "found": 3,
        "importable": 1,
        "linked": 1,
        "ignored": 0,
        "new": None,
        "hidden": {"no_contact": 1},
    }


def test_what_is_shown_of_it_is_complete(api: APIClient, sandbox: SandboxServer) -> None:
    create(api, sandbox)
    work_off()

    [body] = api.get(f"{V1}/integrations/").json()["results"]

    run = SyncRun.objects.get()
    assert body["health"] == {
        "state": "healthy",
        "since": stamp(run.finished_at),
        "message": "ConnectWise Manage was read to its end.",
        "fix": "",
        "until": None,
    }
    assert body["last_success_at"] == stamp(run.finished_at)
    assert body["paused_until"] is None
    assert body["next_sync_at"] is not None
    counts = body["companies"]
    assert counts["found"] == 40
    assert counts["importable"] + sum(counts["hidden"].values()) == 40


def test_a_list_of_many_costs_as_much_as_one(api: APIClient, tenant: Tenant, alex: User) -> None:
    said = {"private_key": {"at": timezone.now().isoformat(), "by": str(alex.pk)}}

    def add() -> None:
        keys = {"server_url": "https://psa.example", "private_key": "sealed"}
        row = make_integration(
            tenant,
            credentials=keys,
            secrets_saved=said,
            on_pause_since=timezone.now(),
            on_pause_by=alex,
        )
        make_psa_company(row)

    add()
    api.get(f"{V1}/integrations/")  # the token's first use is noted
    one = queries(lambda: api.get(f"{V1}/integrations/"))
    for _ in range(5):
        add()

    answer: list[Any] = []
    assert queries(lambda: answer.append(api.get(f"{V1}/integrations/"))) == one
    rows = answer[0].json()["results"]
    assert len(rows) == 6
    assert {row["credentials"]["private_key"]["saved_by"]["name"] for row in rows} == {"Alex Admin"}


# A pause


def test_an_admin_pauses_and_resumes_it(api: APIClient, integration: Integration) -> None:
    paused = api.post(url(integration, "pause/"))
    refused = api.post(url(integration, "sync/"))
    resumed = api.post(url(integration, "resume/"))

    integration.refresh_from_db()
    event = AuditEvent.objects.get(action="integration.paused")
    assert (paused.status_code, resumed.status_code) == (200, 200)
    body = paused.json()
    assert body["health"] == {
        "state": "paused",
        "since": stamp(event.at)[:19] + body["health"]["since"][19:],
        "message": f"{integration.name} was paused by {api.user}: nothing is read by itself.",
        "fix": "Resume it to read again.",
        "until": None,
    }
    assert (body["paused_until"], body["next_sync_at"], body["status"]) == (None, None, "connected")
    assert problem(refused) == (409, "paused")
    assert refused.json()["detail"] == (
        f"{integration.name} is paused. Resume it first, then it is read again."
    )
    assert resumed.json()["health"]["state"] == "healthy"
    assert not SyncRun.objects.exists()


def test_a_pause_may_have_an_end(api: APIClient, integration: Integration) -> None:
    until = timezone.now().replace(microsecond=0) + timedelta(days=2)

    body = api.post(url(integration, "pause/"), {"until": until.isoformat()}).json()

    written = f"{until:%Y-%m-%dT%H:%M:%SZ}"
    assert (body["paused_until"], body["health"]["until"]) == (written, written)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"until": "2020-01-01T00:00:00Z"}, "invalid", "until"),
        ({"until": "tomorrow"}, "invalid", "until"),
        ({"why": "holidays"}, "unknown_field", "why"),
    ],
)
def test_a_pause_that_can_not_be_is_refused(
    api: APIClient, integration: Integration, body: dict[str, str], code: str, field: str
) -> None:
    answer = api.post(url(integration, "pause/"), body)

    assert problem(answer) == (400, code)
    assert answer.json()["errors"][0]["field"] == field
    integration.refresh_from_db()
    assert not integration.is_paused


@pytest.mark.parametrize("act", ["pause/", "resume/"])
def test_only_admins_pause_and_resume(tenant: Tenant, integration: Integration, act: str) -> None:
    for role in ("member", "viewer"):
        assert problem(make_api(tenant, role).post(url(integration, act))) == (
            403,
            "admin_required",
        )
    narrow = make_api(tenant, "admin", ["read", "write"])
    assert problem(narrow.post(url(integration, act))) == (403, "insufficient_scope")
    integration.refresh_from_db()
    assert not integration.is_paused


@pytest.mark.parametrize("act", ["pause/", "resume/"])
def test_another_tenants_is_not_there(otto: User, integration: Integration, act: str) -> None:
    since = timezone.now()
    Integration.objects.update(on_pause_since=since)

    assert problem(api_of(otto).post(url(integration, act))) == (404, "not_found")

    integration.refresh_from_db()
    assert (integration.on_pause_since, integration.on_pause_by) == (since, None)


def test_what_is_disconnected_can_not_be_paused(api: APIClient, tenant: Tenant) -> None:
    gone = make_integration(tenant, status="disconnected")

    assert problem(api.post(url(gone, "pause/"))) == (409, "not_connected")


def test_a_run_that_waits_for_the_end_of_a_pause_has_no_moment(
    api: APIClient, connected: Integration
) -> None:
    api.post(url(connected, "pause/"))
    body = {"integration": str(connected.pk), "external_ids": ["20002"]}
    run = api.post(f"{V1}/companies/import/", body).json()["sync_run"]
    work_off()

    held = api.get(f"{V1}/sync-runs/{run['id']}/").json()

    assert (held["state"], held["waiting_for"], held["resume_at"]) == ("queued", "Paused", None)


# Secrets


def test_a_stored_secret_follows_no_change_of_address(
    api: APIClient, connected: Integration
) -> None:
    answer = api.patch(url(connected), {"credentials": {"server_url": "https://evil.example"}})

    assert problem(answer) == (400, "secret_needed")
    why = "Server changed, and a stored secret goes only to where it was typed for."
    assert answer.json()["detail"] == f"{why} Type again: Private key."
    assert answer.json()["errors"] == [
        {
            "field": "credentials.private_key",
            "code": "secret_needed",
            "message": f"{why} Type it again.",
        }
    ]
    assert api.get(url(connected)).json()["candidate"] is None
