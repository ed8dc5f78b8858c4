"""Moments of a schedule, and when it is due next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from audit_site.tenants.models import Tenant
from integrations.models import Integration
from integrations.runs import schedule

#: An id whose own minute is 17.
SEVENTEEN = UUID(int=next(n for n in range(1, 10_000) if schedule.spread(UUID(int=n)) == 17))
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def planned(zone: str = "UTC", **over: Any) -> Integration:
    """An integration in memory alone: the plan needs no database."""
    return Integration(id=SEVENTEEN, tenant=Tenant(timezone=zone), **over)
