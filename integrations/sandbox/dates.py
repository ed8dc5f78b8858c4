"""Calendar arithmetic of the sandboxes: their own, so that they check the product's."""

from __future__ import annotations

import calendar
from datetime import date


def months_on(day: date, months: int) -> date:
    """The same day so many months on, or the last one of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
