from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit_site.tenants.models import Tenant
from integrations.models import SyncRun
from tests.audit_site.api.test_api import V1
from tests.factories import make_api, make_integration
from tests.integrations.runs.test_progress import NOW, make_run, note_page


def test_a_run_tells_its_reading_rate_requests_and_remaining_time(
    tenant: Tenant, time_machine: Any
) -> None:
    time_machine.move_to(NOW, tick=False)
    integration = make_integration(tenant)
    run = make_run(
        integration, reading="changes", requests=42, progress_done=1000, progress_total=1600
    )
    for seconds_ago in (10, 5, 0):
        note_page(run, seconds_ago, 100)
    api = make_api(tenant, "viewer")

    shown = api.get(f"{V1}/sync-runs/{run.pk}/").json()

    told = {"reading": "changes", "requests": 42, "rate": 1200, "remaining_seconds": 30}
    assert {name: shown[name] for name in told} == told
    assert (shown["waiting_for"], shown["resume_at"]) == ("", None)
    assert api.get(f"{V1}/sync-runs/").json()["results"] == [shown]
    assert api.get(f"{V1}/integrations/{integration.pk}/").json()["last_sync"] == shown


def test_a_run_that_waits_or_has_ended_has_no_rate(tenant: Tenant, time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)
    run = make_run(
        make_integration(tenant),
        waiting_for="Waiting for Autotask",
        resume_at=NOW + timedelta(minutes=50),
        progress_total=1600,
    )
    for seconds_ago in (10, 5, 0):
        note_page(run, seconds_ago, 100)
    api = make_api(tenant, "viewer")

    waits = api.get(f"{V1}/sync-runs/{run.pk}/").json()
    SyncRun.objects.update(state="succeeded", waiting_for="", resume_at=None)
    ended = api.get(f"{V1}/sync-runs/{run.pk}/").json()

    assert (waits["rate"], waits["remaining_seconds"]) == (None, None)
    assert (waits["waiting_for"], waits["resume_at"]) == (
        "Waiting for Autotask",
        "2026-11-25T13:55:00Z",
    )
    assert (ended["rate"], ended["remaining_seconds"], ended["reading"]) == (None, None, "full")


def test_running_runs_cost_a_list_no_more(tenant: Tenant, time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)
    api = make_api(tenant)

    def add() -> None:
        for phase in ("contacts", "agreements"):
            note_page(make_run(make_integration(tenant), phase=phase), 5, 100)

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
