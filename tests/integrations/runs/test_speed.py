"""How fast a run reads, and how long it still takes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit_site.tenants.models import Tenant
from integrations.models import SyncRun
from integrations.runs.speed import RunSpeed, measure, remaining_seconds, speed_from
from integrations.web.run_progress import live
from tests.factories import make_company, make_integration, make_link
from tests.running import NOW, make_reading, note_page


@pytest.fixture
def now(time_machine: Any) -> datetime:
    time_machine.move_to(NOW, tick=False)
    return NOW


@pytest.mark.parametrize(
    ("samples", "per_second"),
    [
        ([], None),
        ([(0, 500)], None),  # nobody knows when reading the first one began
        ([(0, 500), (2, 500)], None),  # too short to say anything
        ([(0, 500), (4, 0)], None),
        ([(0, 500), (5, 100)], 20),
        ([(0, 500), (5, 100), (10, 100)], 20),
        ([(-5, 500), (0, 100)], 100 / 10),  # the next page is 5 seconds late
    ],
)
def test_a_speed_is_said_only_when_it_can_be_known(
    samples: list[tuple[float, int]], per_second: float | None
) -> None:
    pace = speed_from(samples, 10)

    assert (pace.per_second if pace else None) == per_second


def speed_of(run: SyncRun) -> RunSpeed | None:
    return measure([run]).get(run.pk)


def test_rate_and_remaining_time_come_from_the_pages_of_the_last_two_minutes(
    tenant: Tenant, now: datetime
) -> None:
    run = make_reading(make_integration(tenant), progress_done=2000, progress_total=4480)
    note_page(run, 200, 1000)  # too old to say anything
    note_page(run, 1, 900, kind="companies")  # of another step
    note_page(run, 20, 500)
    note_page(run, 10, 200)
    note_page(run, 0, 212)

    pace = speed_of(run)

    assert pace is not None
    assert pace.rate == 1236  # 412 records in 20 seconds
    assert remaining_seconds(run, pace) == 121
    assert live(run).pace == "1,240 a minute, about 2 minutes left"
    assert live(run).numbers == "2,000 of 4,480 contacts"
    assert live(run).step == "Step 2 of 5"


def test_a_wait_that_is_over_slows_nothing_down(tenant: Tenant, now: datetime) -> None:
    run = make_reading(
        make_integration(tenant),
        dispatched_at=NOW - timedelta(seconds=12),
        progress_done=2000,
        progress_total=3000,
    )
    note_page(run, 100, 500)  # before the wait
    for seconds_ago in (10, 5, 0):
        note_page(run, seconds_ago, 100)

    pace = speed_of(run)

    assert pace is not None
    assert pace.rate == 1200
    assert remaining_seconds(run, pace) == 50


@pytest.mark.parametrize(
    "over",
    [
        {"state": "queued"},
        {"state": "succeeded"},
        {"phase": ""},
        {"phase": "rules"},
        {"waiting_for": "Waiting for Autotask", "resume_at": NOW + timedelta(hours=1)},
        {"scope": "companies", "companies": ["1"]},
    ],
)
def test_who_does_not_read_has_no_speed(tenant: Tenant, now: datetime, over: Any) -> None:
    run = make_reading(make_integration(tenant), **over)
    for seconds_ago in (10, 5, 0):
        note_page(run, seconds_ago, 100, kind=run.phase)

    assert (speed_of(run), remaining_seconds(run, None), live(run).pace) == (None, None, "")


@pytest.mark.parametrize(
    ("done", "total", "left"),
    [(50, None, None), (50, 50, None), (60, 50, None), (0, 2**31 - 1, None)],
)
def test_what_can_not_be_known_is_not_said(
    tenant: Tenant, now: datetime, done: int, total: int | None, left: int | None
) -> None:
    run = make_reading(make_integration(tenant), progress_done=done, progress_total=total)
    for seconds_ago in (10, 5, 0):
        note_page(run, seconds_ago, 100)

    assert remaining_seconds(run, speed_of(run)) is left
    assert live(run).pace == "1,200 a minute"


@pytest.mark.parametrize("scope", ["all", "companies"])
def test_agreements_are_counted_by_company(tenant: Tenant, now: datetime, scope: str) -> None:
    integration = make_integration(tenant)
    ids = []
    for seconds_ago, number in ((8, 5), (4, 4), (0, 4)):
        for _ in range(number):
            link = make_link(
                make_company(tenant),
                integration,
                last_synced_at=NOW - timedelta(seconds=seconds_ago),
            )
            ids.append(link.external_id)
    make_link(make_company(tenant), integration, last_synced_at=NOW - timedelta(minutes=3))
    run = make_reading(
        integration,
        phase="agreements",
        scope=scope,
        companies=ids if scope == "companies" else [],
        progress_done=13,
        progress_total=33,
    )

    pace = speed_of(run)

    assert pace is not None
    assert pace.rate == 60
    assert remaining_seconds(run, pace) == 20
    assert live(run).numbers == "13 of 33 companies"


def test_many_runs_are_measured_at_once(tenant: Tenant, now: datetime) -> None:
    runs = []
    for number in range(6):
        integration = make_integration(tenant)
        run = make_reading(integration, phase="agreements" if number % 2 else "contacts")
        for seconds_ago in (10, 5, 0):
            note_page(run, seconds_ago, 100 * (number + 1))
            for _ in range(number):
                make_link(
                    make_company(tenant),
                    integration,
                    last_synced_at=NOW - timedelta(seconds=seconds_ago),
                )
        runs.append(run)

    with CaptureQueriesContext(connection) as captured:
        found = measure(runs)

    assert len(captured) == 2
    assert [found[run.pk].rate for run in runs] == [1200, 12, 3600, 36, 6000, 60]
