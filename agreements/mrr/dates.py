"""Dates as text: 2026-06-15 and nothing else that Python takes for one."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Final

#: Dates that a figure can be asked for: what the calendar arithmetic can go beyond by years.
EARLIEST, LATEST = date(1950, 1, 1), date(2200, 12, 31)
#: Days before and after every calendar; a stretch is [from, until) in ordinals.
EVER, NEVER = 0, date.max.toordinal() + 1
ONE_DAY: Final = timedelta(days=1)

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME: Final = re.compile(r"[T ][0-9:.]+ ?(Z|[+-][0-9:]+)?")


def read_date(text: str) -> date:
    """Read YYYY-MM-DD; a `ValueError` for anything else."""
    if not _DATE.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)


def read_calendar_date(text: str) -> date:
    """Read a date as a PSA wrote it, which a time of day may follow."""
    if text[10:] and not _TIME.fullmatch(text[10:]):
        raise ValueError(text)
    return read_date(text[:10])


def read_month(text: str) -> date:
    """Read YYYY-MM: its first day; a `ValueError` for anything else."""
    return read_date(f"{text}-01")


def day_of(text: str) -> date | None:
    """A day that a figure can be asked for, written as 2026-06-15; None for anything else."""
    try:
        day = read_date(text)
    except ValueError:
        return None
    return day if EARLIEST <= day <= LATEST else None
