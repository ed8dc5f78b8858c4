"""Billing cycles: names, factor (cycles in an ordinary year ÷ 12), and one period's days."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, date
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

CONTRACT_LENGTH: Final = "contract_length"
ONE_TIME: Final = "one_time"
NOT_RECURRING: Final = "not_recurring"
#: Of more days or years than this nobody has written a contract.
MOST_EVERY: Final = 10**9
#: The most that a month has.
DAYS_OF_A_MONTH: Final = 31
#: After so many the calendar repeats itself.
DAYS_OF_400_YEARS: Final = 146_097


@dataclass(frozen=True, slots=True)
class Cycle:
    """A cycle that was understood. `factor` is None where the term decides or nothing recurs.

    `days`: those of one period of a cycle that is shorter than a month, or counted in days.
    """

    name: str
    factor: Fraction | None
    days: int | None = None

    @property
    def is_longer_than_a_month(self) -> bool:
        return self.factor is not None and self.factor < 1

    @property
    def single_days(self) -> int | None:
        """A line that lives no longer is billed once at most; None = that is not known."""
        if self.factor is None:
            return None
        return DAYS_OF_A_MONTH if self.factor <= 1 else self.days

    def end_of_first(self, start: date) -> int:
        """The ordinal of the day after the first period of one that is longer than a month."""
        if self.days is not None or self.factor is None:
            return start.toordinal() + (self.days or 0)
        return months_on(start, int(1 / self.factor))


_NAMED: Final = {
    cycle.name: cycle
    for cycle in (
        Cycle("daily", Fraction(365, 12), 1),
        Cycle("weekly", Fraction(52, 12), 7),
        Cycle("biweekly", Fraction(26, 12), 14),
        Cycle("fourweekly", Fraction(13, 12), 28),
        Cycle("semimonthly", Fraction(2), 16),
        Cycle("monthly", Fraction(1)),
        Cycle("bimonthly", Fraction(1, 2)),
        Cycle("quarterly", Fraction(1, 3)),
        Cycle("semiannual", Fraction(1, 6)),
        Cycle("annual", Fraction(1, 12)),
        Cycle("biennial", Fraction(1, 24)),
        Cycle("triennial", Fraction(1, 36)),
        Cycle(CONTRACT_LENGTH, None),
        Cycle(ONE_TIME, None),
        Cycle(NOT_RECURRING, None),
    )
}
#: The canonical names.
CYCLE_NAMES: Final = tuple(_NAMED)
_ALSO: Final = {
    "fortnightly": "biweekly",
    "4weekly": "fourweekly",
    "semiannually": "semiannual",
    "halfyearly": "semiannual",
    "biannual": "semiannual",
    "biannually": "semiannual",
    "annually": "annual",
    "yearly": "annual",
    "biennially": "biennial",
    "triennially": "triennial",
    "contract": CONTRACT_LENGTH,
    "contractlength": CONTRACT_LENGTH,
    "onetime": ONE_TIME,
    "once": ONE_TIME,
    "oneoff": ONE_TIME,
    "notrecurring": NOT_RECURRING,
    "nonrecurring": NOT_RECURRING,
}
_UNITS: Final = {
    "day": (Fraction(365, 12), 1),
    "week": (Fraction(52, 12), 7),
    "month": (Fraction(1), None),
    "year": (Fraction(1, 12), None),
}


def is_blank(cycle: Any) -> bool:
    return cycle is None or (isinstance(cycle, str) and not cycle.strip())


def read_cycle(cycle: Any) -> Cycle | None:
    """Understand a name or `{"every": N, "unit": …}`; None = unknown."""
    if isinstance(cycle, str):
        return _read_name(cycle)
    if isinstance(cycle, Mapping):
        return _read_structure(cycle.get("every"), cycle.get("unit"))
    return None


@lru_cache(maxsize=1024)
def _read_name(text: str) -> Cycle | None:
    word = "".join(char for char in text if char.isalnum()).lower()
    return _NAMED.get(_ALSO.get(word, word))


def _read_structure(every: Any, unit: Any) -> Cycle | None:
    if isinstance(every, bool) or not isinstance(every, int) or not 1 <= every <= MOST_EVERY:
        return None
    if not isinstance(unit, str) or unit not in _UNITS:
        return None
    factor, days = _UNITS[unit]
    factor /= every
    name = f"every {every} {unit}s" if every > 1 else f"every {unit}"
    return Cycle(name, factor, days * every if days else None)


def months_between(first: date, day_after: date) -> Fraction:
    """Whole months of a term, counted from `first`, and the days of the part month after them."""
    until = day_after.toordinal()
    whole = (day_after.year - first.year) * 12 + day_after.month - first.month
    while months_on(first, whole) > until:
        whole -= 1
    begun, next_month = months_on(first, whole), months_on(first, whole + 1)
    return whole + Fraction(until - begun, next_month - begun)


def months_on(first: date, months: int) -> int:
    """The ordinal of the day that `add_months` finds, also beyond the last year of a `date`."""
    beyond = (first.year * 12 + first.month - 1 + months) // 12 - MAXYEAR
    ages = max(-(-beyond // 400), 0)
    return add_months(first, months - ages * 400 * 12).toordinal() + ages * DAYS_OF_400_YEARS


def add_months(first: date, months: int) -> date:
    """The same day of the month `months` on, or that month's last day if it is shorter."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, min(first.day, monthrange(year, month + 1)[1]))
