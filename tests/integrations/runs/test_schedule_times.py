"""When the next automatic sync is due, by the tenant's clock."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, time
from uuid import UUID

import pytest

from integrations.models import Integration
from integrations.runs import schedule
from tests.integrations.runs.schedules import NOON, at, planned


def nights(integration: Integration, start: datetime, end: datetime) -> list[datetime]:
    """Every sync between two moments, each planned from the one before."""
    found: list[datetime] = []
    after = start
    while (due := schedule.next_sync(integration, after)) and due <= end:
        found.append(due)
        after = due
    return found


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
        (time(1, 50), "2026-03-29T03:07+02:00"),  # 17 minutes after 01:50
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
        (time(2, 50), "2026-10-25T02:07+01:00"),  # 17 minutes after the first 02:50
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
