"""How pages write money, days and moments: once for filters and for sentences."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal

from django.utils import timezone
from django.utils.dateformat import format as date_text

DAY = "j M Y"
ISO_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b", re.ASCII)
#: The whole part of a number that has thousands.
THOUSANDS = re.compile(r"(?<![\d.])\d{4,}", re.ASCII)


def money_written(amount: str | Decimal, currency: str = "") -> str:
    """An amount with its thousands apart: `1,460.00`, `USD 1,460.00`."""
    whole, point, cents = str(amount).partition(".")
    sign = "-" if whole.startswith("-") else ""
    text = f"{sign}{int(whole.lstrip('-') or 0):,}{point}{cents}"
    return f"{currency} {text}" if currency else text


def formula_written(text: str) -> str:
    """A formula with the thousands of its numbers apart: `1,950.5 monthly = 1,950.50 a month`."""
    return THOUSANDS.sub(lambda found: f"{int(found[0]):,}", text)


def day_written(day: date) -> str:
    """`1 Nov 2026`, as the date filter of templates writes it."""
    return date_text(day, DAY)


def days_written(text: str) -> str:
    """A sentence with its days as pages write them: `It starts on 1 Nov 2026.`"""
    return ISO_DAY.sub(_day_found, text)


def _day_found(found: re.Match[str]) -> str:
    try:
        return day_written(date.fromisoformat(found[0]))
    except ValueError:
        return found[0]


def moment_written(moment: datetime, *, seconds: bool = False) -> str:
    """`1 Nov 2026, 14:05` in the tenant's zone."""
    local = timezone.localtime(moment)
    return f"{day_written(local)}, {local:{'%H:%M:%S' if seconds else '%H:%M'}}"
