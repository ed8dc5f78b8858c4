"""Days, months and the company that a figure is asked for: each refused with its field's name."""

from __future__ import annotations

import re
from datetime import date

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from agreements.figures import MOST_MONTHS
from agreements.mrr.dates import EARLIEST, LATEST, day_of
from audit_site.api.parameters import invalid

COMPANY = OpenApiParameter("company", OpenApiTypes.STR, description="Only this company's.")


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
