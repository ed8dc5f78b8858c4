from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit_site.errors import DomainError, FieldErrors
from audit_site.ids import new_id
from audit_site.tenants.models import AuditEvent, Tenant
from integrations.models import Integration, SyncRun
from integrations.sandbox.server import SandboxServer
from integrations.services import runs, schedule
from tests.conftest import connect
from tests.factories import make_integration, make_member, make_tenant
from tests.integrations.importing.test_licence import at_once
from tests.worker import work_off

#: An id whose own minute is 17.
SEVENTEEN = UUID(int=next(n for n in range(1, 10_000) if schedule.spread(UUID(int=n)) == 17))
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def planned(zone: str = "UTC", **over: Any) -> Integration:
    """An integration in memory alone: the plan needs no database."""
    return Integration(id=SEVENTEEN, tenant=Tenant(timezone=zone), **over)


def nights(integration: Integration, start: datetime, end: datetime) -> list[datetime]:
    """Every sync between two moments, each planned from the one before."""
    found: list[datetime] = []
    after = start
    while (due := schedule.next_sync(integration, after)) and due <= end:
        found.append(due)
        after = due
    return found


# When the next one is due


def test_the_spread_is_even_over_many_ids() -> None:
    first = UUID("01890a5d-ac96-774b-bcce-b302099a8057").int
    counts = Counter(schedule.spread(UUID(int=first + n)) for n in range(2000))

    assert set(counts) == set(range(60))  # 33 of each on the average
    assert 15 <= min(counts.values()) <= max(counts.values()) <= 55


def test_the_spread_of_an_id_never_changes() -> None:
    first = UUID("01890a5d-ac96-774b-bcce-b302099a8057")

    assert [schedule.spread(first) for _ in range(2)] == [38, 38]


def test_off_is_never() -> None:
    assert schedule.next_sync(planned(schedule="off"), NOON) is None


@pytest.mark.parametrize(
    ("after", "due"),
    [
        ("2026-11-25T12:00", "2026-11-25T12:17"),
        ("2026-11-25T12:16:59", "2026-11-25T12:17"),
        ("2026-11-25T12:17", "2026-11-25T13:17"),
        ("2026-11-25T23:30", "2026-11-26T00:17"),
    ],
)
def test_hourly_is_every_hour_at_its_own_minute(after: str, due: str) -> None:
    assert schedule.next_sync(planned(schedule="hourly"), at(after)) == at(due)


@pytest.mark.parametrize(
    ("zone", "nightly_at", "after", "due"),
    [
        ("UTC", time(2, 0), "2026-11-25T12:00", "2026-11-26T02:17"),
        ("UTC", time(2, 0), "2026-11-26T02:16:59", "2026-11-26T02:17"),
        ("UTC", time(2, 0), "2026-11-26T02:17", "2026-11-27T02:17"),
        ("America/New_York", time(2, 0), "2026-11-25T12:00", "2026-11-26T02:17"),
        ("Asia/Kathmandu", time(2, 0), "2026-11-25T12:00", "2026-11-26T02:17"),
        ("UTC", time(23, 50), "2026-11-25T23:59", "2026-11-26T00:07"),
        ("UTC", time(23, 50), "2026-11-26T00:03", "2026-11-26T00:07"),
        ("UTC", time(23, 50), "2026-11-26T00:07", "2026-11-27T00:07"),
    ],
)
def test_nightly_is_by_the_tenants_clock(zone: str, nightly_at: time, after: str, due: str) -> None:
    integration = planned(zone, schedule="nightly", nightly_at=nightly_at)

    assert schedule.next_sync(integration, at(after, zone)) == at(due, zone)


@pytest.mark.parametrize(
    ("nightly_at", "due"),
    [
        (time(1, 30), "2026-03-29T01:47+01:00"),
        (time(1, 50), "2026-03-29T03:07+02:00"),  # 17 minutes behind 01:50
        (time(2, 30), "2026-03-29T03:47+02:00"),  # 02:30 does not exist
        (time(3, 0), "2026-03-29T03:17+02:00"),
    ],
)
def test_the_night_the_clock_goes_forward_has_one_sync(nightly_at: time, due: str) -> None:
    zone = "Europe/Berlin"
    integration = planned(zone, schedule="nightly", nightly_at=nightly_at)

    found = nights(integration, at("2026-03-28T12:00", zone), at("2026-03-30T12:00", zone))

    assert found[0] == datetime.fromisoformat(due)
    assert len(found) == 2


@pytest.mark.parametrize(
    ("nightly_at", "due"),
    [
        (time(1, 50), "2026-10-25T02:07+02:00"),
        (time(2, 30), "2026-10-25T02:47+02:00"),  # the first of two
        (time(2, 50), "2026-10-25T02:07+01:00"),  # 17 minutes behind the first 02:50
        (time(3, 0), "2026-10-25T03:17+01:00"),
    ],
)
def test_the_night_the_clock_goes_back_has_one_sync(nightly_at: time, due: str) -> None:
    zone = "Europe/Berlin"
    integration = planned(zone, schedule="nightly", nightly_at=nightly_at)

    found = nights(integration, at("2026-10-24T12:00", zone), at("2026-10-26T12:00", zone))

    assert found[0] == datetime.fromisoformat(due)
    assert len(found) == 2


def test_a_year_has_a_sync_for_each_day_of_the_calendar() -> None:
    zones = ("America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Havana")
    for zone in zones:
        for nightly_at in (time(0, 0), time(0, 30), time(2, 0), time(2, 30), time(23, 45)):
            integration = planned(zone, schedule="nightly", nightly_at=nightly_at)
            start = at("2026-01-01T12:00", zone)

            found = nights(integration, start, at("2027-01-01T12:00", zone))

            assert len(found) == 365, (zone, nightly_at)


# The tick


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


def test_what_is_due_starts_once_and_is_planned_anew(tenant: Tenant, time_machine: Any) -> None:
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
    by_hand, _ = runs.start_sync_run(integration=integration)

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
        runs.start_sync_run(integration=make_integration(tenant, schedule="off"))
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
    tenant = make_tenant()
    for _ in range(2):
        due_integration(tenant)
    schedule.dispatch_due()
    costs = []
    for count in (1, 30):
        for _ in range(count):
            due_integration(tenant)  # its two runs are under way: it waits
            make_integration(make_tenant())
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


# Choosing it


def test_another_schedule_is_planned_at_once_and_audited(tenant: Tenant, time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)
    admin = make_member(tenant)
    integration = make_integration(tenant, id=SEVENTEEN, next_sync_at=at("2026-11-26T02:17"))

    schedule.set_schedule(integration=integration, actor=admin, every="nightly", at=time(4, 30))
    late = integration.next_sync_at
    schedule.set_schedule(integration=integration, actor=admin, every="hourly")
    soon = integration.next_sync_at
    schedule.set_schedule(integration=integration, actor=admin, every="off")

    integration.refresh_from_db()
    assert late == at("2026-11-26T04:47")
    assert soon == at("2026-11-25T12:17")
    assert (integration.schedule, integration.next_sync_at) == ("off", None)
    assert integration.nightly_at == time(4, 30)
    changes = AuditEvent.objects.filter(action="integration.schedule_changed").order_by("id")
    assert [(event.actor, event.details) for event in changes] == [
        (
            admin,
            {
                "before": {"every": "nightly", "at": "02:00"},
                "after": {"every": "nightly", "at": "04:30"},
            },
        ),
        (
            admin,
            {
                "before": {"every": "nightly", "at": "04:30"},
                "after": {"every": "hourly", "at": "04:30"},
            },
        ),
        (
            admin,
            {
                "before": {"every": "hourly", "at": "04:30"},
                "after": {"every": "off", "at": "04:30"},
            },
        ),
    ]


def test_choosing_the_same_again_changes_nothing(tenant: Tenant) -> None:
    due = NOON - timedelta(days=3)
    integration = make_integration(tenant, next_sync_at=due)

    schedule.set_schedule(integration=integration, actor=None, every="nightly", at=time(2, 0, 30))

    integration.refresh_from_db()
    assert integration.next_sync_at == due
    assert not AuditEvent.objects.exists()


def test_no_schedule_for_what_is_disconnected_and_none_that_does_not_exist(tenant: Tenant) -> None:
    gone = make_integration(tenant, status="disconnected")
    here = make_integration(tenant)

    with pytest.raises(DomainError) as disconnected:
        schedule.set_schedule(integration=gone, actor=None, every="off")
    with pytest.raises(FieldErrors) as unknown:
        schedule.set_schedule(integration=here, actor=None, every="weekly")

    assert disconnected.value.code == "not_connected"
    assert unknown.value.errors == [
        {
            "field": "schedule.every",
            "code": "invalid_choice",
            "message": "Choose one of: off, hourly, nightly.",
        }
    ]


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({}, NOON + timedelta(hours=1)),
        ({"next_sync_at": None}, at("2026-11-26T02:17")),
        ({"paused_until": NOON + timedelta(hours=3)}, NOON + timedelta(hours=3)),
        ({"paused_until": NOON - timedelta(hours=3)}, NOON + timedelta(hours=1)),
        ({"status": "failing"}, None),
        ({"schedule": "off"}, None),
    ],
)
def test_when_the_next_one_is_to_be_expected(
    time_machine: Any, over: dict[str, Any], expected: datetime | None
) -> None:
    time_machine.move_to(NOON, tick=False)
    values = {"status": "connected", "next_sync_at": NOON + timedelta(hours=1), **over}

    assert schedule.next_at(planned(**values)) == expected
