"""Moments, and what happens at them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from agreements import stored_mrr
from agreements.causes import caused_by
from agreements.models import AgreementLine

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def sync(line: AgreementLine, run: UUID | None = None, **values: Any) -> None:
    """A sync reads other values of a line."""
    for name, value in values.items():
        setattr(line, name, value)
    line.save()
    with caused_by("sync", run=run, name="ConnectWise"):
        stored_mrr.refresh(line.tenant, [line.agreement.company_id])
