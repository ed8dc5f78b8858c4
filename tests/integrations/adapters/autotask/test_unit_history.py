from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from integrations.adapters.autotask.unit_history import read_history
from integrations.adapters.autotask.wire import WireUnits
from integrations.psa.contract import PsaUnits


def units(*rows: tuple[str, str, Any, Any]) -> list[WireUnits]:
    return [
        WireUnits(
            id=number, start_date=start, end_date=end,
            units=None if count is None else Decimal(count),
            price=None if price is None else Decimal(price),
        )
        for number, (start, end, count, price) in enumerate(rows, start=1)
    ]  # fmt: skip


def amounts(found: tuple[PsaUnits, ...]) -> list[tuple[str, str, str | None]]:
    return [
        (str(row.start_date), str(row.end_date), None if row.amount is None else f"{row.amount:f}")
        for row in found
    ]


START = date(2026, 1, 1)


def test_rows_of_one_amount_are_joined() -> None:
    rows = units(
        ("2026-01-01", "2026-01-31", 2, "50.00"),
        ("2026-02-01", "2026-02-28", 2, "50.00"),
        ("2026-03-01", "2026-03-31", 3, "75.00"),
    )

    found, cycle = read_history(rows, 1, START)

    assert cycle is None
    assert amounts(found) == [
        ("2026-01-01", "2026-02-28", "50.00"),
        ("2026-03-01", "2026-03-31", "75.00"),
    ]


@pytest.mark.parametrize("last_day", ["2026-03-09", "2026-03-10"])
def test_a_change_inside_a_period_takes_full_rows_with_the_same_units(last_day: str) -> None:
    """Whether the earlier row ends on the day of the change or before it is not known: both do."""
    rows = units(
        ("2026-02-01", "2026-02-28", 10, "200.00"),
        ("2026-03-01", last_day, 10, "58.06"),
        ("2026-03-10", "2026-03-31", 11, "156.13"),
        ("2026-04-01", "2026-04-30", 11, "220.00"),
    )

    found, _ = read_history(rows, 1, START)

    assert [row.units for row in found] == [10, 11]
    assert [row.amount for row in found] == [200, 220]


def test_a_last_part_period_scales_the_row_before_it() -> None:
    rows = units(
        ("2026-01-01", "2026-01-31", 10, "200.00"),
        ("2026-02-01", "2026-02-14", 12, "120.00"),
    )

    found, _ = read_history(rows, 1, START)

    assert [row.amount for row in found] == [200, 240]


def test_a_lone_stub_is_grossed_up_by_days() -> None:
    found, _ = read_history(units(("2026-01-11", "2026-01-31", 1, "21.00")), 1, START)

    assert [row.amount for row in found] == [31]


def test_a_quarter_row_is_a_quarters_amount() -> None:
    found, cycle = read_history(units(("2026-01-01", "2026-03-31", 4, "360.00")), 3, START)

    assert cycle is None
    assert [row.amount for row in found] == [360]


@pytest.mark.parametrize("end", ["2026-03-30", "2026-03-31"])
def test_periods_of_a_contract_from_the_31st_are_full(end: str) -> None:
    rows = units(("2026-02-28", end, 1, "10.00"))

    found, _ = read_history(rows, 1, date(2026, 1, 31))

    assert [f"{row.amount}" for row in found] == ["10.00"]


def test_from_31_august_to_27_february_is_not_half_a_year() -> None:
    rows = units(
        ("2026-08-31", "2027-02-27", 4, "590.2174"),
        ("2027-02-28", "2027-08-27", 4, "600.00"),
    )

    found, _ = read_history(rows, 6, date(2025, 2, 28))

    assert [row.amount for row in found] == [600]


def test_without_a_period_type_the_rows_own_length_counts() -> None:
    quarters = units(
        ("2026-01-01", "2026-03-31", 4, "360.00"), ("2026-04-01", "2026-06-30", 4, "360.00")
    )
    mixed = units(
        ("2026-01-01", "2026-01-31", 1, "100.00"), ("2026-02-01", "2026-04-30", 1, "310.00")
    )
    stub = units(("2026-01-10", "2026-01-20", 1, "10.00"))

    assert read_history(quarters, None, START)[1] == "quarterly"
    found, cycle = read_history(mixed, None, START)
    assert (cycle, amounts(found)) == (
        "monthly",
        [
            ("2026-01-01", "2026-01-31", "100.0000000000"),
            ("2026-02-01", "2026-04-30", "103.3333333333"),
        ],
    )
    assert [row.amount for row in read_history(stub, None, START)[0]] == [None]  # never guessed


def test_nothing_costs_nothing_and_a_missing_price_is_not_nothing() -> None:
    rows = units(
        ("2026-01-01", "2026-01-10", 0, "0"),
        ("2026-02-01", "2026-02-28", 5, None),
        ("2026-03-31", "2026-03-01", 5, "9"),
    )

    found, _ = read_history(rows, 1, START)

    assert [row.amount for row in found] == [0, None]


@pytest.mark.parametrize("months", [1, None])
def test_a_row_for_ever_is_no_full_one(months: int | None) -> None:
    rows = units(
        ("2026-01-01", "2026-01-31", 2, "50.00"),
        ("2026-02-01", "2026-02-28", 2, "50.00"),
        ("2026-03-01", "9999-12-31", 2, "99.00"),
    )

    found, _ = read_history(rows, months, START)

    assert amounts(found) == [("2026-01-01", "9999-12-31", "50.00")]


def test_no_rows_are_an_empty_history() -> None:
    assert read_history([], 1, START) == ((), None)
    assert read_history([], None, None) == ((), "monthly")
