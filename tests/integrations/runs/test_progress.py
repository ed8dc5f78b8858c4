"""How a run's speed, remaining time, waits and readings are told, and that its sums agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit_site.ids import new_id
from audit_site.tenants.models import Tenant
from integrations.models import KINDS, Integration, PsaCompanyRecord, SyncRun, SyncRunPage
from integrations.pace import measure, pace_from, pace_of, remaining_seconds
from integrations.progress import count_table, left_words, live, pulse_of, reads, until_words
from integrations.sandbox.server import SandboxServer, sandbox_psas
from integrations.services.importing import import_companies
from integrations.services.runs import start_sync_run
from tests.conftest import connect
from tests.factories import make_company, make_integration, make_link, make_member
from tests.worker import work_off

PSAS = sorted(sandbox_psas())
NOW = datetime(2026, 11, 25, 13, 5, tzinfo=UTC)  # 14:05 in Berlin


@pytest.fixture
def now(time_machine: Any) -> datetime:
    time_machine.move_to(NOW, tick=False)
    return NOW


def make_run(integration: Integration, **over: Any) -> SyncRun:
    values = {
        "state": "running",
        "phase": "contacts",
        "queued_at": NOW - timedelta(minutes=5),
        "dispatched_at": NOW - timedelta(minutes=5),
        "started_at": NOW - timedelta(minutes=5),
        "lease_until": NOW + timedelta(seconds=30),
        **over,
    }
    return SyncRun.objects.create(tenant=integration.tenant, integration=integration, **values)


def id_at(moment: datetime) -> UUID:
    """An id that was made at that moment: the first 48 bits are milliseconds."""
    return UUID(int=int(moment.timestamp() * 1000) << 80 | new_id().int & (1 << 80) - 1)


def note_page(run: SyncRun, seconds_ago: float, number: int, kind: str = "contacts") -> None:
    SyncRunPage.objects.create(
        id=id_at(NOW - timedelta(seconds=seconds_ago)),
        tenant=run.tenant,
        run=run,
        kind=kind,
        external_ids=[str(n) for n in range(number)],
    )


# How fast


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
def test_a_pace_is_told_only_when_it_can_be_known(
    samples: list[tuple[float, int]], per_second: float | None
) -> None:
    pace = pace_from(samples, 10)

    assert (pace.per_second if pace else None) == per_second


def test_rate_and_remaining_time_come_from_the_pages_of_the_last_two_minutes(
    tenant: Tenant, now: datetime
) -> None:
    run = make_run(make_integration(tenant), progress_done=2000, progress_total=4480)
    note_page(run, 200, 1000)  # too old to say anything
    note_page(run, 1, 900, kind="companies")  # of another step
    note_page(run, 20, 500)
    note_page(run, 10, 200)
    note_page(run, 0, 212)

    pace = pace_of(run)

    assert pace is not None
    assert pace.rate == 1236  # 412 records in 20 seconds
    assert remaining_seconds(run) == 121
    assert live(run).pace == "1,240 a minute, about 2 minutes left"
    assert live(run).numbers == "2,000 of 4,480 contacts"
    assert live(run).step == "Step 2 of 5"


def test_a_wait_that_is_over_slows_nothing_down(tenant: Tenant, now: datetime) -> None:
    run = make_run(
        make_integration(tenant),
        dispatched_at=NOW - timedelta(seconds=12),
        progress_done=2000,
        progress_total=3000,
    )
    note_page(run, 100, 500)  # before the wait
    for seconds_ago in (10, 5, 0):
        note_page(run, seconds_ago, 100)

    pace = pace_of(run)

    assert pace is not None
    assert pace.rate == 1200
    assert remaining_seconds(run) == 50


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
def test_who_does_not_read_has_no_pace(tenant: Tenant, now: datetime, over: Any) -> None:
    run = make_run(make_integration(tenant), **over)
    for seconds_ago in (10, 5, 0):
        note_page(run, seconds_ago, 100, kind=run.phase)

    assert (pace_of(run), remaining_seconds(run), live(run).pace) == (None, None, "")


@pytest.mark.parametrize(
    ("done", "total", "left"),
    [(50, None, None), (50, 50, None), (60, 50, None), (0, 2**31 - 1, None)],
)
def test_what_can_not_be_known_is_not_said(
    tenant: Tenant, now: datetime, done: int, total: int | None, left: int | None
) -> None:
    run = make_run(make_integration(tenant), progress_done=done, progress_total=total)
    for seconds_ago in (10, 5, 0):
        note_page(run, seconds_ago, 100)

    assert remaining_seconds(run) is left
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
    run = make_run(
        integration,
        phase="agreements",
        scope=scope,
        companies=ids if scope == "companies" else [],
        progress_done=13,
        progress_total=33,
    )

    pace = pace_of(run)

    assert pace is not None
    assert pace.rate == 60
    assert remaining_seconds(run) == 20
    assert live(run).numbers == "13 of 33 companies"


def test_many_runs_are_measured_at_once(tenant: Tenant, now: datetime) -> None:
    runs = []
    for number in range(6):
        integration = make_integration(tenant)
        run = make_run(integration, phase="agreements" if number % 2 else "contacts")
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
        measure(runs)

    assert len(captured) == 2
    found = [pace_of(run) for run in runs]
    assert len(captured) == 2
    assert [pace.rate if pace else None for pace in found] == [1200, 12, 3600, 36, 6000, 60]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "a few seconds left"),
        (11, "about 20 seconds left"),
        (50, "about a minute left"),
        (121, "about 2 minutes left"),
        (3570, "about an hour left"),
        (2.6 * 3600, "about 3 hours left"),
    ],
)
def test_remaining_time_is_told_as_exactly_as_it_is_known(seconds: int, words: str) -> None:
    assert left_words(seconds) == words


# Waits


@pytest.mark.parametrize(
    ("until", "words"),
    [
        (NOW + timedelta(seconds=25), "at 14:05:25"),
        (NOW + timedelta(minutes=40), "at 14:45"),
        (NOW + timedelta(hours=10), "tomorrow at 00:05"),
        (NOW + timedelta(hours=35), "on 27 Nov at 01:05"),
    ],
)
def test_a_wait_tells_its_end_by_the_tenants_clock(until: datetime, words: str) -> None:
    with timezone.override(ZoneInfo("Europe/Berlin")):
        assert until_words(until, NOW) == words


def test_a_run_that_waits_says_for_whom_and_until_when(tenant: Tenant, now: datetime) -> None:
    run = make_run(
        make_integration(tenant, psa="autotask"),
        waiting_for="Waiting for Autotask",
        resume_at=NOW + timedelta(minutes=50),
        lease_until=None,
    )

    with timezone.override(ZoneInfo("Europe/Berlin")):
        shown = live(run)
        assert shown.waiting == "Waiting for Autotask, goes on at 14:55"
        assert shown.milestone == "Waiting for Autotask, goes on at 14:55."
    assert shown.countdown == "in 50 minutes"
    assert shown.reason.startswith("It takes no more requests until then.")
    assert not shown.goes_on


def test_a_short_wait_in_place_says_why(tenant: Tenant, now: datetime) -> None:
    run = make_run(
        make_integration(tenant),
        waiting_for="psa.example says: too many requests.",
        resume_at=NOW + timedelta(seconds=9),
    )

    assert live(run).waiting == "Waiting for ConnectWise Manage, goes on at 13:05:09"
    assert live(run).countdown == "in 9 seconds"
    assert live(run).reason.startswith("psa.example says: too many requests. ")


@pytest.mark.parametrize("resume_at", [None, NOW, NOW - timedelta(seconds=3)])
def test_a_wait_that_is_over_is_not_told_as_one(
    tenant: Tenant, now: datetime, resume_at: datetime | None
) -> None:
    run = make_run(
        make_integration(tenant), waiting_for="Waiting for Autotask", resume_at=resume_at
    )

    assert (live(run).waiting, live(run).reason, live(run).countdown) == ("", "", "")
    assert live(run).goes_on
    assert live(run).milestone == "Reading contacts."


@pytest.mark.parametrize(
    ("phase", "over", "step"),
    [
        ("", {}, ""),
        ("companies", {}, "Step 1 of 5"),
        ("absences", {"checkpoint": {"done": ["companies", "contacts"]}}, "Step 3 of 5"),
        ("rules", {"checkpoint": {"done": ["companies", "contacts", "absences", "rules"]}}, "4"),
        ("agreements", {}, "Step 5 of 5"),
        # agreements that are gone are settled after all were read
        ("absences", {"checkpoint": {"done": ["companies", "contacts", "absences", "rules"]}}, "5"),
        ("rules", {"scope": "companies"}, "Step 3 of 4"),
        ("agreements", {"scope": "companies"}, "Step 4 of 4"),
    ],
)
def test_the_step_never_goes_back(
    tenant: Tenant, now: datetime, phase: str, over: Any, step: str
) -> None:
    run = make_run(make_integration(tenant), phase=phase, **over)

    assert step in live(run).step
    assert bool(live(run).step) == bool(step)


@pytest.mark.parametrize(
    ("state", "seconds_ago", "pulse"),
    [("queued", 1, 1), ("running", 29, 1), ("running", 31, 3), ("succeeded", 1, 0)],
)
def test_who_watches_asks_less_often_after_half_a_minute(
    tenant: Tenant, now: datetime, state: str, seconds_ago: int, pulse: int
) -> None:
    run = make_run(
        make_integration(tenant), state=state, queued_at=NOW - timedelta(seconds=seconds_ago)
    )

    assert pulse_of(None, run) == pulse


# What it reads, and what started it


def test_what_a_run_reads_is_told(connected: Integration) -> None:
    first = SyncRun.objects.get()
    assert reads(first) == ("everything", None)

    run, _ = start_sync_run(integration=connected, trigger=SyncRun.Trigger.SCHEDULE)
    while_active = reads(run)
    work_off()
    run.refresh_from_db()

    stamp = datetime.fromisoformat(min(connected.marks.values()))
    assert while_active == ("what changed", stamp - timedelta(minutes=10))
    assert reads(run) == while_active


def test_a_list_that_was_read_whole_to_be_sure_is_told(tenant: Tenant) -> None:
    marks = {"companies": "2026-11-25T10:00:00+00:00", "contacts": "2026-11-25T09:00:00+00:00"}
    integration = make_integration(tenant, marks=marks)
    since = datetime(2026, 11, 25, 8, 50, tzinfo=UTC)

    one = make_run(integration, reading="changes", checkpoint={"whole": ["contacts"]})
    assert reads(one) == ("what changed, and all contacts to be sure", since)
    one.checkpoint = {"whole": ["companies", "contacts"]}
    assert reads(one) == ("everything", None)


@pytest.mark.parametrize(
    ("trigger", "by", "words"),
    [
        ("manual", "Grace Hopper", "Sync Now by Grace Hopper"),
        ("import", "Grace Hopper", "Import by Grace Hopper"),
        ("schedule", None, "Schedule"),
        ("connect", None, "Connected"),
    ],
)
def test_what_started_a_run_is_told(
    tenant: Tenant, now: datetime, trigger: str, by: str | None, words: str
) -> None:
    user = make_member(tenant, name=by) if by else None

    assert make_run(make_integration(tenant), trigger=trigger, started_by=user).origin == words


# Its sums


def add_up(run: SyncRun) -> None:
    table = count_table(run)
    assert table.columns == ["New", "Changed", "Unchanged", "Rejected", "Seen", "Gone"]
    assert [kind for kind, _ in table.rows] == list(KINDS)
    for kind, (new, changed, unchanged, rejected, seen, _gone) in table.rows:
        assert new + changed + unchanged + rejected == seen, kind
    assert table.totals == [
        sum(numbers[place] for _, numbers in table.rows) for place in range(len(table.columns))
    ]
    assert table.totals[4] == sum(table.totals[:4])


@pytest.mark.parametrize("psa", PSAS)
def test_the_sums_of_a_real_run_agree(tenant: Tenant, sandbox: SandboxServer, psa: str) -> None:
    integration = connect(tenant, sandbox, psa)
    ids = PsaCompanyRecord.objects.filter(importable=True).values_list("external_id", flat=True)
    import_companies(integration=integration, external_ids=list(ids)[:20], actor=None)
    work_off()
    gone, changed = list(ids)[-2:]
    kind = "accounts" if psa == "kaseya_bms" else "companies"
    name = {"connectwise": "name", "autotask": "companyName", "kaseya_bms": "accountName"}[psa]
    sandbox.psas[psa].change({"do": "delete", "kind": kind, "id": gone})
    values = {name: "Another name"}
    sandbox.psas[psa].change({"do": "change", "kind": kind, "id": changed, "values": values})
    sandbox.faults.switch_on("bad_record", path="ontacts", times=1, how="wrong_type")
    start_sync_run(integration=integration)
    work_off()

    for run in SyncRun.objects.all():
        add_up(run)
    last = SyncRun.objects.latest("id")
    totals = dict(zip(count_table(last).columns, count_table(last).totals, strict=True))
    assert last.state == "partial"
    assert totals["Rejected"] == 1
    assert totals["Gone"] >= 1
    assert totals["Changed"] >= 1
    assert totals["Seen"] > 100
    assert last.counts["agreements"]["unchanged"] > 0
    assert last.requests > 0
