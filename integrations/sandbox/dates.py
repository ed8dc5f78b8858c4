"""Calendar arithmetic of the sandboxes: their own, so that they check the product's."""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta


def months_on(day: date, months: int) -> date:
    """The same day so many months on, or the last one of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def changed_on(id_: int, latest: str) -> datetime:
    """When a record was last changed: records differ, the newest by up to 500 days."""
    spread = timedelta(days=id_ * 7919 % 500, minutes=id_ * 104_729 % 1440)
    return datetime.fromisoformat(latest) - spread


def midnight_utc(day: date) -> str:
    """A calendar date as ConnectWise and Autotask write it: the Z means nothing."""
    return f"{day.isoformat()}T00:00:00Z"
