"""Runs that wait for a PSA: until when, who wakes them, and whom they hold up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.connecting import connection_test
from integrations.connecting.request_budget import Budget
from integrations.models import Integration, SyncRun, SyncRunPage
from integrations.psa.errors import PsaRateLimited
from integrations.psa.http import retry_after
from integrations.runs import schedule
from integrations.runs.starting import cancel_sync_run, start_sync_run
from integrations.sandbox.server import SandboxServer
from integrations.sync.outcomes import wait_or_fail
from integrations.sync.run_writer import RunWriter
from tests.factories import make_integration
from tests.syncing import claimed, synced
from tests.worker import work_off


def test_who_presses_sync_now_wakes_what_waits_for_a_psa_that_was_down(
    connected: Integration,
) -> None:
    run, _ = start_sync_run(integration=connected, trigger="schedule")
    Integration.objects.update(paused_until=timezone.now() + timedelta(hours=1))
    work_off()
    run.refresh_from_db()
    assert run.resume_at > timezone.now()

    same = synced(connected)

    assert (same.pk, same.state, same.trigger) == (run.pk, "succeeded", "manual")


def test_when_the_pause_is_lifted_what_waited_goes_on(
    connected: Integration, tenant: Any, sandbox: SandboxServer
) -> None:
    run, _ = start_sync_run(integration=connected, trigger="schedule")
    Integration.objects.update(paused_until=timezone.now() + timedelta(hours=1))
    work_off()

    connection_test.start_connection_test(integration=connected, actor=None)
    work_off()

    run.refresh_from_db()
    assert run.state == "succeeded"


def test_a_cancelled_run_is_not_postponed_again(
    connected: Integration, sandbox: SandboxServer
) -> None:
    run = claimed(connected)
    cancel_sync_run(run=run, actor=None)

    wait_or_fail(RunWriter(run), PsaRateLimited("wait", retry_after=300))

    run.refresh_from_db()
    assert run.state == "cancelled"


def test_a_run_that_is_cancelled_while_it_waits_leaves_nothing(
    connected: Integration, sandbox: SandboxServer
) -> None:
    sandbox.forget_requests()
    sandbox.faults.switch_on("rate_limited", path="/company/contacts", retry_after=300)
    run = synced(connected)
    assert SyncRunPage.objects.filter(run=run).exists()
    assert run.requests == len(sandbox.requests())

    cancel_sync_run(run=run, actor=None)

    run.refresh_from_db()
    assert (run.state, run.waiting_for) == ("cancelled", "")
    assert not SyncRunPage.objects.filter(run=run).exists()


def test_nobody_waits_longer_than_six_hours(connected: Integration) -> None:
    assert retry_after({"retry-after": "999999999999"}) == 6 * 3600
    assert retry_after({"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"}) == 6 * 3600


def test_a_shorter_wait_does_not_open_the_gate_of_a_longer_one() -> None:
    budget = Budget("gate", places=4)
    budget.slow_down(120)
    budget.slow_down(None)

    with pytest.raises(PsaRateLimited) as caught, budget.turn():
        raise AssertionError("it is nobody's turn")
    assert caught.value.retry_after > 100
    budget.forget()


def test_runs_that_wait_hold_no_other_integration_up(tenant: Any) -> None:
    now = timezone.now()
    waiting = [make_integration(tenant) for _ in range(2)]
    for integration in waiting:
        run, _ = start_sync_run(integration=integration, trigger="schedule")
        SyncRun.objects.filter(pk=run.pk).update(
            state="running", resume_at=now + timedelta(hours=5), lease_until=None
        )
    due = make_integration(tenant, next_sync_at=now - timedelta(minutes=1))

    schedule.dispatch_due()

    assert SyncRun.objects.filter(integration=due).count() == 1
