"""Sync runs over REST."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from audit_site.tenants.models import Tenant, User
from integrations.models import Integration, SyncRun
from tests.clients import V1, api_of
from tests.factories import make_integration
from tests.running import NOW, make_reading, note_page
from tests.worker import work_off


def test_sync_now_is_202_and_then_the_same_run_with_200(mia: User, connected: Integration) -> None:
    member = api_of(mia)

    first = member.post(f"{V1}/integrations/{connected.pk}/sync/")
    second = member.post(f"{V1}/integrations/{connected.pk}/sync/")

    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"]
    assert first.json()["state"] == "queued"
    work_off()
    run = member.get(f"{V1}/sync-runs/{first.json()['id']}/").json()
    assert run["state"] == "succeeded"
    assert run["progress"]["done"] == run["progress"]["total"]
    assert run["started_at"].endswith("Z")
    assert set(run["counts"]) == {"companies", "contacts", "agreements", "lines"}


def test_a_run_shows_its_reading_rate_requests_and_remaining_time(
    vic: User, tenant: Tenant, time_machine: Any
) -> None:
    time_machine.move_to(NOW, tick=False)
    integration = make_integration(tenant)
    run = make_reading(
        integration, reading="changes", requests=42, progress_done=1000, progress_total=1600
    )
    for seconds_ago in (10, 5, 0):
        note_page(run, seconds_ago, 100)
    api = api_of(vic)

    shown = api.get(f"{V1}/sync-runs/{run.pk}/").json()

    said = {"reading": "changes", "requests": 42, "rate": 1200, "remaining_seconds": 30}
    assert {name: shown[name] for name in said} == said
    assert (shown["waiting_for"], shown["resume_at"]) == ("", None)
    assert api.get(f"{V1}/sync-runs/").json()["results"] == [shown]
    assert api.get(f"{V1}/integrations/{integration.pk}/").json()["last_sync"] == shown


def test_a_run_that_waits_or_has_ended_has_no_rate(
    vic: User, tenant: Tenant, time_machine: Any
) -> None:
    time_machine.move_to(NOW, tick=False)
    run = make_reading(
        make_integration(tenant),
        waiting_for="Waiting for Autotask",
        resume_at=NOW + timedelta(minutes=50),
        progress_total=1600,
    )
    for seconds_ago in (10, 5, 0):
        note_page(run, seconds_ago, 100)
    api = api_of(vic)

    waits = api.get(f"{V1}/sync-runs/{run.pk}/").json()
    SyncRun.objects.update(state="succeeded", waiting_for="", resume_at=None)
    ended = api.get(f"{V1}/sync-runs/{run.pk}/").json()

    assert (waits["rate"], waits["remaining_seconds"]) == (None, None)
    assert (waits["waiting_for"], waits["resume_at"]) == (
        "Waiting for Autotask",
        "2026-11-25T13:55:00Z",
    )
    assert (ended["rate"], ended["remaining_seconds"], ended["reading"]) == (None, None, "full")


def test_running_runs_cost_a_list_no_more(
    api: APIClient, tenant: Tenant, time_machine: Any
) -> None:
    time_machine.move_to(NOW, tick=False)

    def add() -> None:
        for phase in ("contacts", "agreements"):
            note_page(make_reading(make_integration(tenant), phase=phase), 5, 100)

    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert api.get(f"{V1}{path}").status_code == 200
        return len(captured)

    add()
    api.get(f"{V1}/me/")  # notes the token's use
    few = [queries("/sync-runs/"), queries("/integrations/")]
    add()
    add()

    assert [queries("/sync-runs/"), queries("/integrations/")] == few
