"""Days, months and the company that a figure is asked for."""

from __future__ import annotations

import re
from datetime import date
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

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


def read_month(request: Request, name: str) -> date:
    text = request.query_params.get(name, "")
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text):
        raise invalid(name, "Write a month as 2026-06.", "invalid" if text else "required")
    month = date.fromisoformat(f"{text}-01")
    if not EARLIEST <= month <= LATEST:
        raise invalid(name, f"Write a month from {EARLIEST.year} to {LATEST.year}.")
    return month


def read_company(request: Request) -> UUID | None:
    """The company that a figure is narrowed to; one that is no id is nobody's."""
    text = request.query_params.get("company")
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
