"""A run in words: its remaining time, its waits, its steps, and what started it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from audit_site.tenants.models import Tenant
from integrations.models import Integration, SyncRun
from integrations.runs.starting import start_sync_run
from integrations.web.run_progress import left_words, live, poll_ms, reads, until_words
from tests.factories import make_integration, make_member
from tests.running import NOW, make_reading
from tests.worker import work_off


@pytest.fixture
def now(time_machine: Any) -> datetime:
    time_machine.move_to(NOW, tick=False)
    return NOW


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
def test_remaining_time_is_said_as_exactly_as_it_is_known(seconds: int, words: str) -> None:
    assert left_words(seconds) == words


@pytest.mark.parametrize(
    ("until", "words"),
    [
        (NOW + timedelta(seconds=25), "at 14:05:25"),
        (NOW + timedelta(minutes=40), "at 14:45"),
        (NOW + timedelta(hours=10), "tomorrow at 00:05"),
        (NOW + timedelta(hours=35), "on 27 Nov at 01:05"),
    ],
)
def test_a_wait_says_its_end_by_the_tenants_clock(until: datetime, words: str) -> None:
    with timezone.override(ZoneInfo("Europe/Berlin")):
        assert until_words(until, NOW) == words


def test_a_run_that_waits_says_for_whom_and_until_when(tenant: Tenant, now: datetime) -> None:
    run = make_reading(
        make_integration(tenant, psa="autotask"),
        waiting_for="Waiting for Autotask",
        resume_at=NOW + timedelta(minutes=50),
        lease_until=None,
    )

    with timezone.override(ZoneInfo("Europe/Berlin")):
        shown = live(run)
        assert shown.waiting == "Waiting for Autotask, goes on at 14:55"
        assert shown.announcement == "Waiting for Autotask, goes on at 14:55."
    assert shown.countdown == "in 50 minutes"
    assert shown.reason.startswith("It takes no more requests until then.")
    assert not shown.resumed


def test_a_short_wait_in_place_says_why(tenant: Tenant, now: datetime) -> None:
    run = make_reading(
        make_integration(tenant),
        waiting_for="psa.example says: too many requests.",
        resume_at=NOW + timedelta(seconds=9),
    )

    assert live(run).waiting == "Waiting for ConnectWise Manage, goes on at 13:05:09"
    assert live(run).countdown == "in 9 seconds"
    assert live(run).reason.startswith("psa.example says: too many requests. ")


@pytest.mark.parametrize("resume_at", [None, NOW, NOW - timedelta(seconds=3)])
def test_a_wait_that_is_over_is_not_shown_as_one(
    tenant: Tenant, now: datetime, resume_at: datetime | None
) -> None:
    run = make_reading(
        make_integration(tenant), waiting_for="Waiting for Autotask", resume_at=resume_at
    )

    assert (live(run).waiting, live(run).reason, live(run).countdown) == ("", "", "")
    assert live(run).resumed
    assert live(run).announcement == "Reading contacts."


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
    run = make_reading(make_integration(tenant), phase=phase, **over)

    assert step in live(run).step
    assert bool(live(run).step) == bool(step)


@pytest.mark.parametrize(
    ("state", "seconds_ago", "pulse"),
    [
        ("queued", 1, 150),
        ("queued", 3, 300),
        ("running", 5, 1000),
        ("running", 29, 1000),
        ("running", 31, 3000),
        ("succeeded", 1, 0),
    ],
)
def test_who_watches_asks_less_and_less_often(
    tenant: Tenant, now: datetime, state: str, seconds_ago: int, pulse: int
) -> None:
    run = make_reading(
        make_integration(tenant), state=state, queued_at=NOW - timedelta(seconds=seconds_ago)
    )

    assert poll_ms(None, run) == pulse


def test_a_run_says_what_it_reads(connected: Integration) -> None:
    first = SyncRun.objects.get()
    assert reads(first) == ("everything", None)

    run, _ = start_sync_run(integration=connected, trigger=SyncRun.Trigger.SCHEDULE)
    while_active = reads(run)
    work_off()
    run.refresh_from_db()

    stamp = datetime.fromisoformat(min(connected.watermarks.values()))
    assert while_active == ("what changed", stamp - timedelta(minutes=10))
    assert reads(run) == while_active


def test_a_run_says_that_it_read_a_list_whole_to_be_sure(tenant: Tenant) -> None:
    marks = {"companies": "2026-11-25T10:00:00+00:00", "contacts": "2026-11-25T09:00:00+00:00"}
    integration = make_integration(tenant, watermarks=marks)
    since = datetime(2026, 11, 25, 8, 50, tzinfo=UTC)

    one = make_reading(integration, reading="changes", checkpoint={"whole": ["contacts"]})
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
def test_a_run_says_what_started_it(
    tenant: Tenant, now: datetime, trigger: str, by: str | None, words: str
) -> None:
    user = make_member(tenant, name=by) if by else None

    assert make_reading(make_integration(tenant), trigger=trigger, started_by=user).origin == words


def test_what_counts_today_has_a_title_of_its_own(tenant: Tenant) -> None:
    run, _ = start_sync_run(integration=make_integration(tenant))
    SyncRun.objects.update(state="running", phase="agreements", checkpoint={"todays": True})
    run.refresh_from_db()
    first = live(run).title
    SyncRun.objects.update(checkpoint={})
    run.refresh_from_db()

    assert (first, live(run).title) == ("Reading what counts today", "Reading agreements and lines")
