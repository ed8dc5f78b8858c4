from __future__ import annotations

from datetime import UTC, datetime, timedelta

from integrations.psa.contract import PsaCompany
from integrations.psa.listing import ended_early, is_short, looks_full, newest_records

MOMENT = datetime(2026, 6, 15, tzinfo=UTC)


def company(name: str, hours: int | None) -> PsaCompany:
    stamp = None if hours is None else MOMENT + timedelta(hours=hours)
    return PsaCompany("1", name, changed_at=stamp)


def test_the_newer_of_two_versions_wins_whichever_came_last() -> None:
    newest = newest_records()

    first = newest.of([company("older", 0), company("newer", 1)])
    later = newest.of([company("oldest", -1), company("as old", 1), company("unknown", None)])
    newest_one = newest.of([company("newest", 2)])

    assert [[c.name for c in page] for page in (first, later, newest_one)] == [
        ["newer"], [], ["newest"],
    ]  # fmt: skip


def test_without_stamps_the_first_one_stays_and_a_new_reading_begins_again() -> None:
    newest = newest_records()

    first = newest.of([company("first", None), company("second", None)])
    newest.forget()
    again = newest.of([company("third", None)])

    assert [c.name for c in (*first, *again)] == ["first", "third"]


def test_a_page_looks_full_when_it_is_as_long_as_asked_or_as_a_cap() -> None:
    found = [rows for rows in range(0, 60) if looks_full(rows, 55)]

    assert found == [25, 50, 55, 56, 57, 58, 59]


def test_a_list_is_short_of_a_count_that_it_gave() -> None:
    assert [is_short(5, total) for total in (None, 4, 5, 6)] == [False, False, False, True]
    assert ended_early("contacts", 5, 6).message.startswith(
        "The list of contacts ended after 5 of 6: the rest did not come."
    )
