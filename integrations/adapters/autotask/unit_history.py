"""Autotask's unit rows: from extended prices of periods to what a full period brings.

A row's `price` holds for all its units and for the days of the row, so it is neither multiplied by
the units nor taken for a whole period that the row covers in part (docs/psas.md says how).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from agreements.mrr.cycles import add_months
from integrations.adapters.autotask.wire import WireUnits
from integrations.psa.contract import Cycle, PsaUnits
from integrations.psa.decoding import RecordUnusableError, calendar_date, day_after

#: Unit history is read from the first of January this many years back.
HISTORY_YEARS: Final = 2
PLACES: Final = 10
#: A period's months → our cycle.
CYCLES: Final[dict[int, Cycle]] = {1: "monthly", 3: "quarterly", 6: "semiannual", 12: "annual"}


def first_day_read() -> date:
    """The first day of the history; fixed for a year at a time, so that an unchanged contract reads
    the same every day.
    """
    return date(datetime.now(UTC).year - HISTORY_YEARS, 1, 1)


@dataclass(slots=True)
class UnitRow:
    """A unit row as calendar days. `full` = how many months it covers wholly, None = a stub."""

    start: date
    end: date
    units: Decimal | None
    price: Decimal | None
    full: int | None = None


def read_history(
    raw_rows: Sequence[WireUnits], months: int | None, contract_start: date | None
) -> tuple[tuple[PsaUnits, ...], Cycle]:
    """A line's unit rows as amounts of a full period, and the line's own cycle.

    The cycle is the contract's (None) when its period is known. Otherwise it is the length of the
    line's own full rows, or monthly where these differ.
    """
    rows = [row for raw in sorted(raw_rows, key=lambda raw: raw.id) if (row := build_row(raw))]
    rows.sort(key=lambda row: row.start)
    for row in rows:
        row.full = count_full_months(row, months, contract_start)
    if months is not None:
        amounts = [full_amount(rows, at, months, contract_start) for at in range(len(rows))]
        return join_equal_rows(rows, amounts), None
    lengths = {row.full for row in rows if row.full}
    if len(lengths) == 1:
        (length,) = lengths
        for row in rows:
            row.full = row.full if row.full == length else None
        amounts = [full_amount(rows, at, length, contract_start) for at in range(len(rows))]
        return join_equal_rows(rows, amounts), CYCLES[length]
    return join_equal_rows(rows, [monthly_amount(rows, at) for at in range(len(rows))]), "monthly"


def require_dates(raw: WireUnits) -> WireUnits:
    """A unit row as it came, if its dates can be read."""
    for text, name in ((raw.start_date, "startDate"), (raw.end_date, "endDate")):
        if calendar_date(text, name) is None:
            raise RecordUnusableError("invalid_record", f"`{name}` is missing.", can_mend=True)
    return raw


def build_row(raw: WireUnits) -> UnitRow | None:
    """None for a row that ends before it starts."""
    start = calendar_date(raw.start_date, "startDate")
    end = calendar_date(raw.end_date, "endDate")
    return UnitRow(start, end, raw.units, raw.price) if start and end and end >= start else None


def count_full_months(row: UnitRow, months: int | None, contract_start: date | None) -> int | None:
    """How many whole months the row covers: a full period, or None for a part of one.

    The last day may be written as the day before the next period or as its first day. Periods are
    counted from the contract's start: of one that began on a 31st, a month may run from 28 February
    to 30 March.
    """
    nexts = {row.end, day_after(row.end)}
    for length in (months,) if months else sorted(CYCLES):
        if contract_start:
            begin, following = period_around(row.start, length, contract_start)
            if row.start == begin and following in nexts:
                return length
        following = add_months(row.start, length)
        # from 31 August six months lead to 28 February: that alone makes no full period
        if following in nexts and (contract_start is None or following.day == row.start.day):
            return length
    return None


def period_around(day: date, months: int, contract_start: date) -> tuple[date, date]:
    """The contract's billing period that holds a day: its first day, and the next one's."""
    apart = (day.year - contract_start.year) * 12 + day.month - contract_start.month
    number = apart // months
    while add_months(contract_start, number * months) > day:
        number -= 1
    while add_months(contract_start, (number + 1) * months) <= day:
        number += 1
    begin = add_months(contract_start, number * months)
    return begin, add_months(contract_start, (number + 1) * months)


def full_amount(
    rows: Sequence[UnitRow], at: int, months: int, contract_start: date | None
) -> Decimal | None:
    """What the row's units bring in a full period.

    A stub's price is prorated by a rule that is not documented. It is used only where no full row
    says more: the next later one with the same units, or else the last earlier one.
    """
    row = rows[at]
    if row.price is None:
        return None
    if row.full or (not row.price and not row.units):
        return row.price
    for later in rows[at + 1 :]:
        if later.full and later.units == row.units and later.price is not None:
            return later.price
    for earlier in reversed(rows[:at]):
        if earlier.full and earlier.price is not None and earlier.units and row.units is not None:
            return round_half_up(
                Fraction(earlier.price) * Fraction(row.units) / Fraction(earlier.units)
            )
    begin, following = (
        period_around(row.start, months, contract_start)
        if contract_start
        else (row.start, add_months(row.start, months))
    )
    days = (row.end - row.start).days + 1
    return round_half_up(Fraction(row.price) * (following - begin).days / days)


def monthly_amount(rows: Sequence[UnitRow], at: int) -> Decimal | None:
    """What the row's units bring in a month, where rows cover different lengths."""
    row = rows[at]
    if row.price is None or (not row.price and not row.units):
        return row.price
    for other in (row, *rows[at + 1 :]):
        if other.full and other.price is not None and other.units == row.units:
            return round_half_up(Fraction(other.price) / other.full)
    for earlier in reversed(rows[:at]):
        if earlier.full and earlier.price is not None and earlier.units and row.units is not None:
            whole = Fraction(earlier.price) / earlier.full
            return round_half_up(whole * Fraction(row.units) / Fraction(earlier.units))
    return None


def round_half_up(amount: Fraction) -> Decimal:
    """Half up to ten places, as the MRR definition asks wherever something is divided."""
    scaled = int(abs(amount) * 10**PLACES + Fraction(1, 2))
    return Decimal(-scaled if amount < 0 else scaled).scaleb(-PLACES)


def join_equal_rows(
    rows: Sequence[UnitRow], amounts: Sequence[Decimal | None]
) -> tuple[PsaUnits, ...]:
    """The history with neighbours of one amount joined: a row a period for years is one row."""
    joined: list[PsaUnits] = []
    for row, amount in zip(rows, amounts, strict=True):
        last = joined[-1] if joined else None
        if (
            last is not None
            and last.end_date is not None
            and last.amount == amount
            and last.units == row.units
            and row.start <= day_after(last.end_date)
        ):
            joined[-1] = replace(last, end_date=row.end)
        else:
            joined.append(PsaUnits(row.start, row.end, units=row.units, amount=amount))
    return tuple(joined)
