"""Runs in the middle of their reading, at a fixed moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from audit_site.ids import new_id
from integrations.models import Integration, SyncRun, SyncRunPage
from tests.factories import make_run

NOW = datetime(2026, 11, 25, 13, 5, tzinfo=UTC)  # 14:05 in Berlin


def make_reading(integration: Integration, **over: Any) -> SyncRun:
    """A run that began five minutes before NOW and reads contacts."""
    began = NOW - timedelta(minutes=5)
    values = {
        "queued_at": began,
        "dispatched_at": began,
        "started_at": began,
        "lease_until": NOW + timedelta(seconds=30),
        **over,
    }
    return make_run(integration, **values)


def note_page(run: SyncRun, seconds_ago: float, number: int, kind: str = "contacts") -> None:
    """A page of so many records that the run stored so many seconds before NOW."""
    SyncRunPage.objects.create(
        id=_id_at(NOW - timedelta(seconds=seconds_ago)),
        tenant=run.tenant,
        run=run,
        kind=kind,
        external_ids=[str(n) for n in range(number)],
    )


def _id_at(moment: datetime) -> UUID:
    """An id that was made at that moment: the first 48 bits are milliseconds."""
    return UUID(int=int(moment.timestamp() * 1000) << 80 | new_id().int & (1 << 80) - 1)
