"""The tick that starts what is due: once, fairly, and at the same cost however much there is."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit_site.ids import new_id
from audit_site.tenants.models import Tenant
from integrations.models import Integration, SyncRun
from integrations.runs import schedule, starting
from integrations.sandbox.server import SandboxServer
from tests.concurrency import at_once
from tests.conftest import connect
from tests.factories import make_integration, make_tenant
from tests.integrations.runs.schedules import NOON, SEVENTEEN, at
from tests.worker import work_off


def due_integration(tenant: Tenant, now: datetime = NOON, **over: Any) -> Integration:
    return make_integration(tenant, **{"next_sync_at": now - timedelta(minutes=1), **over})


def started(tenant: Tenant) -> int:
    return SyncRun.objects.filter(tenant=tenant, trigger="schedule").count()


def test_what_has_no_time_yet_is_planned(tenant: Tenant, time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)
    nightly = make_integration(tenant, id=SEVENTEEN)
    off = make_integration(tenant, schedule="off")
    failing = make_integration(tenant, status="failing")

    schedule.dispatch_due()

    nightly.refresh_from_db()
    off.refresh_from_db()
    failing.refresh_from_db()
    assert nightly.next_sync_at == at("2026-11-26T02:17")
    assert (off.next_sync_at, failing.next_sync_at) == (None, None)
    assert not SyncRun.objects.exists()


def test_what_is_due_starts_once_and_is_planned_again(tenant: Tenant, time_machine: Any) -> None:
    integration = make_integration(tenant, id=SEVENTEEN, next_sync_at=at("2026-11-26T02:17"))
    time_machine.move_to(at("2026-11-26T02:16:59"), tick=False)
    schedule.dispatch_due()
    before = SyncRun.objects.count()

    time_machine.move_to(at("2026-11-26T02:17"), tick=False)
    schedule.dispatch_due()
    schedule.dispatch_due()

    run = SyncRun.objects.get()
    integration.refresh_from_db()
    assert before == 0
    assert (run.trigger, run.scope, run.started_by, run.tenant) == ("schedule", "all", None, tenant)
    assert integration.next_sync_at == at("2026-11-27T02:17")


def test_a_clock_that_comes_late_finds_it_taken(tenant: Tenant, time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)
    due_integration(tenant)
    [seen_by_one], [seen_by_other] = schedule._turns(NOON), schedule._turns(NOON)
    schedule._start(seen_by_one, NOON)
    SyncRun.objects.update(state="succeeded")  # before the other one came to it

    schedule._start(seen_by_other, NOON)

    assert SyncRun.objects.count() == 1


def test_a_clock_that_stood_still_for_days_starts_one_run(
    tenant: Tenant, time_machine: Any
) -> None:
    integration = make_integration(tenant, id=SEVENTEEN, next_sync_at=at("2026-11-20T02:17"))
    time_machine.move_to(NOON, tick=False)

    schedule.dispatch_due()
    schedule.dispatch_due()

    integration.refresh_from_db()
    assert SyncRun.objects.count() == 1
    assert integration.next_sync_at == at("2026-11-26T02:17")


@pytest.mark.parametrize(
    "over",
    [
        {"status": "disconnected"},
        {"status": "failing"},
        {"status": "untested"},
        {"status": "testing"},
        {"schedule": "off"},
        {"paused_until": NOON + timedelta(seconds=1)},
        {"on_pause_since": NOON},
        {"on_pause_since": NOON, "on_pause_until": NOON + timedelta(seconds=1)},
    ],
)
def test_what_should_not_be_asked_is_not_started(
    tenant: Tenant, time_machine: Any, over: dict[str, Any]
) -> None:
    time_machine.move_to(NOON, tick=False)
    integration = due_integration(tenant, **over)

    schedule.dispatch_due()

    integration.refresh_from_db()
    assert not SyncRun.objects.exists()
    assert integration.next_sync_at == NOON - timedelta(minutes=1)


def test_after_a_pause_the_due_run_starts_at_once(tenant: Tenant, time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)
    due_integration(tenant, paused_until=NOON + timedelta(minutes=5))
    schedule.dispatch_due()

    time_machine.move_to(NOON + timedelta(minutes=5), tick=False)
    schedule.dispatch_due()

    assert started(tenant) == 1


def test_a_run_that_is_under_way_serves(tenant: Tenant, time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)
    integration = due_integration(tenant)
    by_hand, _ = starting.start_sync_run(integration=integration)

    schedule.dispatch_due()

    integration.refresh_from_db()
    assert SyncRun.objects.get() == by_hand
    assert integration.next_sync_at == schedule.next_sync(integration, NOON)


def test_a_tenant_has_two_at_once_and_the_rest_goes_later(
    tenant: Tenant, time_machine: Any
) -> None:
    time_machine.move_to(NOON, tick=False)
    for minutes in range(1, 6):
        due_integration(tenant, next_sync_at=NOON - timedelta(minutes=minutes))
    counts = []
    for _ in range(3):
        schedule.dispatch_due()
        counts.append(started(tenant))
        SyncRun.objects.order_by("id").filter(state="queued").first().delete()

    schedule.dispatch_due()

    assert counts == [2, 2, 2]
    oldest_last = list(
        SyncRun.objects.order_by("id").values_list("integration__next_sync_at", flat=True)
    )
    assert len(oldest_last) == 2
    assert Integration.objects.filter(next_sync_at__lte=NOON).count() == 0


def test_runs_that_a_person_started_do_not_count(tenant: Tenant, time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)
    for _ in range(3):
        starting.start_sync_run(integration=make_integration(tenant, schedule="off"))
    due_integration(tenant)

    schedule.dispatch_due()

    assert started(tenant) == 1


def test_one_tenant_with_500_holds_up_nobody(time_machine: Any, db: None) -> None:
    time_machine.move_to(NOON, tick=False)
    big, small = make_tenant(), [make_tenant() for _ in range(48)]
    for number in range(500):
        due_integration(big, next_sync_at=NOON - timedelta(hours=2, seconds=number))
    for tenant in small:
        due_integration(tenant)

    schedule.dispatch_due()

    assert started(big) == 2
    assert [started(tenant) for tenant in small] == [1] * 48


def test_a_tick_starts_fifty_first_ones_before_second_ones(time_machine: Any, db: None) -> None:
    time_machine.move_to(NOON, tick=False)
    tenants = [make_tenant() for _ in range(40)]
    for tenant in tenants:
        due_integration(tenant)
        due_integration(tenant)

    schedule.dispatch_due()
    first = Counter(started(tenant) for tenant in tenants)
    schedule.dispatch_due()

    assert first == {1: 30, 2: 10}
    assert Counter(started(tenant) for tenant in tenants) == {2: 40}


def test_a_tick_costs_the_same_however_much_is_planned_or_waits(
    time_machine: Any, db: None
) -> None:
    time_machine.move_to(NOON, tick=False)
    tenant, other = make_tenant(), make_tenant()
    for _ in range(2):
        due_integration(tenant)
    schedule.dispatch_due()
    costs = []
    for count in (1, 30):
        for _ in range(count):
            due_integration(tenant)  # its two runs are under way: it waits
            make_integration(other)
        with CaptureQueriesContext(connection) as queries:
            schedule.dispatch_due()
        costs.append(len(queries))

    assert costs[0] == costs[1]
    assert started(tenant) == 2


def test_one_that_can_not_start_holds_up_nobody(
    tenant: Tenant, other_tenant: Tenant, time_machine: Any, caplog: Any
) -> None:
    time_machine.move_to(NOON, tick=False)
    Tenant.objects.filter(pk=tenant.pk).update(timezone="Nowhere/At_All")
    broken = due_integration(tenant)
    make_integration(tenant)
    due_integration(other_tenant)
    unplanned = make_integration(other_tenant, id=SEVENTEEN)

    schedule.dispatch_due()

    unplanned.refresh_from_db()
    broken.refresh_from_db()
    assert started(other_tenant) == 1
    assert started(tenant) == 0
    assert broken.next_sync_at == NOON - timedelta(minutes=1)
    assert unplanned.next_sync_at == at("2026-11-26T02:17")
    assert str(broken.pk) in caplog.text


@pytest.mark.django_db(transaction=True)
def test_two_ticks_at_once_start_one_run() -> None:
    tenant = make_tenant()
    integrations = [make_integration(make_tenant(), id=new_id()) for _ in range(5)]
    integrations.append(make_integration(tenant))
    Integration.objects.update(next_sync_at=NOON - timedelta(days=500))

    at_once(*[schedule.dispatch_due] * 4)

    assert SyncRun.objects.count() == 6
    assert SyncRun.objects.values("integration").distinct().count() == 6


@pytest.mark.django_db(transaction=True)
def test_the_ticks_of_many_clocks_start_two_for_a_tenant() -> None:
    tenant = make_tenant()
    for _ in range(12):
        due_integration(tenant, next_sync_at=NOON - timedelta(days=500))

    at_once(*[schedule.dispatch_due] * 4)

    assert started(tenant) == 2


def test_a_scheduled_run_reads_the_psa(
    tenant: Tenant, sandbox: SandboxServer, time_machine: Any
) -> None:
    time_machine.move_to(NOON, tick=True)
    integration = connect(tenant, sandbox, "connectwise")
    schedule.dispatch_due()
    integration.refresh_from_db()

    time_machine.move_to(integration.next_sync_at, tick=True)
    schedule.dispatch_due()
    work_off()

    run = SyncRun.objects.get(trigger="schedule")
    assert run.state in {"succeeded", "partial"}
    assert (run.reading, run.counts["companies"]["seen"]) == ("changes", 1)
