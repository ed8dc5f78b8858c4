"""Days, months and the company that a figure is asked for: each refused with its field's name."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Final

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from agreements.figures import MOST_MONTHS
from agreements.mrr.dates import EARLIEST, LATEST, day_of
from audit_site.api.parameters import invalid

COMPANY = OpenApiParameter("company", OpenApiTypes.STR, description="Only this company's.")

RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


def _moment(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.DATETIME, description=description)


KNOWN_AT = _moment(
    "known_at",
    "Answer with what was known at this moment, by the rules of then, as 2026-06-15T08:30:00Z. "
    "Default: now.",
)
KNOWN_FROM = _moment(
    "known_from", "The opening as it was known at this moment. Default: as `known_to`."
)
KNOWN_TO = _moment("known_to", "All else as it was known at this moment. Default: now.")


def read_moment(request: Request, name: str) -> datetime | None:
    """A moment that is not to come among the query parameters; None = it is not given."""
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        if not RFC_3339.fullmatch(text):
            raise ValueError(text)
        moment = datetime.fromisoformat(text.upper())
    except (ValueError, OverflowError):
        raise invalid(name, "Write a moment as 2026-06-15T08:30:00Z.") from None
    if moment > timezone.now():
        raise invalid(name, "That moment is yet to come: nobody knows what will be known then.")
    return moment


def read_known_at(request: Request) -> datetime | None:
    """The moment as known at which a figure is asked for; None = now."""
    return read_moment(request, "known_at")


def read_knowings(request: Request) -> tuple[datetime | None, datetime | None]:
    """`known_from` and `known_to` of a movement; `known_at` is both. None = now."""
    at = read_known_at(request)
    start, end = read_moment(request, "known_from"), read_moment(request, "known_to")
    if at is not None:
        if start or end:
            raise invalid("known_at", "Give `known_at`, or `known_from` and `known_to`.")
        return at, at
    if start is not None and end is not None and start > end:
        raise invalid("known_to", "`known_to` must not come before `known_from`.")
    return start or end, end


def read_day(request: Request, name: str) -> date | None:
    """A day among the query parameters; None = it is not given."""
    text = request.query_params.get(name)
    if not text:
        return None
    day = day_of(text)
    if day is None:
        message = f"Write a date from {EARLIEST.year} to {LATEST.year} as 2026-06-15."
        raise invalid(name, message)
    return day


def read_as_of(request: Request) -> date | None:
    """The day that a figure is asked for; None = today."""
    return read_day(request, "as_of")


def read_stretch(request: Request) -> tuple[date, date]:
    """`from` and a later `to`, both of which must be given."""
    days = {name: read_day(request, name) for name in ("from", "to")}
    for name, day in days.items():
        if day is None:
            raise invalid(name, "Write a date as 2026-06-15.")
    start, end = (day for day in days.values() if day is not None)
    if start >= end:
        raise invalid("to", "`to` must be a later day than `from`.")
    return start, end


def read_months(request: Request) -> tuple[date, int]:
    """The first day of the month `from`, and how many months it is to `to`, both included."""
    first, last = read_month(request, "from"), read_month(request, "to")
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    if months < 1:
        raise invalid("to", "The last month comes before the first.")
    if months > MOST_MONTHS:
        raise invalid("to", f"At most {MOST_MONTHS} months can be asked for at once.")
    return first, months


def read_month(request: Request, name: str) -> date:
    text = request.query_params.get(name, "")
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text):
        raise invalid(name, "Write a month as 2026-06.")
    month = date.fromisoformat(f"{text}-01")
    if not EARLIEST <= month <= LATEST:
        raise invalid(name, f"Write a month from {EARLIEST.year} to {LATEST.year}.")
    return month
