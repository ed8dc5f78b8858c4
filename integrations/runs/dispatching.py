"""Sending hints to workers, and sending again what no worker holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from audit_site.db import walls
from audit_site.queue import enqueue
from integrations.models import (
    ConnectionTest,
    ImportBatch,
    LeasedWork,
    LinkPreview,
    SyncRun,
)
from integrations.runs import leases, shutdown, turns

#: A hint that was sent less than this ago may still be on its way.
HINT_PATIENCE = timedelta(seconds=20)
SWEEP_LIMIT = 500
#: Of a tenant's work that waits, so much is looked through for what is next.
MOST_LOOKED_AT: Final = 50
TASKS: dict[type[LeasedWork], str] = {
    SyncRun: "integrations.run_sync",
    ConnectionTest: "integrations.run_connection_test",
    ImportBatch: "integrations.run_import_batch",
    LinkPreview: "integrations.run_link_preview",
}


def dispatch(work: LeasedWork) -> None:
    """Send the hint for a piece of work after commit."""
    enqueue(TASKS[type(work)], str(work.tenant_id), str(work.pk), queue=turns.lane_of(work))


@walls.of_tenant
def send_next(*, tenant_id: str) -> None:
    """Send what of a tenant's work waits for its turn, as far as there are places. Worker only.

    A statement a kind of work when nothing waits.
    """
    if shutdown.requested.is_set():
        return
    waiting: dict[str, list[LeasedWork]] = {}
    for model in TASKS:
        rows = model._default_manager.filter(leases.due(timezone.now()), tenant=UUID(tenant_id))
        fields = ("pk", "tenant_id", "queued_at", "resume_at", *model.DISPATCH_FIELDS)
        for work in rows.order_by(turns.WAITS_SINCE, "pk").only(*fields)[:MOST_LOOKED_AT]:
            waiting.setdefault(turns.lane_of(work), []).append(work)
    for lane, works in waiting.items():
        works.sort(key=lambda work: work.resume_at or work.queued_at)
        for work in works[: turns.free_places(UUID(tenant_id), lane)]:
            dispatch(work)


def sweep() -> None:
    """Send again what no worker holds although it could go on.

    That is work whose hint was lost, whose worker died or whose wait has ended. Of two sweeps at
    once only one sends a row; a row that its worker has locked is left to a later sweep.
    """
    now = timezone.now()
    forgotten = Q(dispatched_at=None) | Q(dispatched_at__lt=now - HINT_PATIENCE)
    for model in TASKS:
        rows = model._default_manager.filter(leases.due(now)).filter(forgotten)
        due = walls.first_by_tenant(rows.order_by(turns.WAITS_SINCE), "sweep", SWEEP_LIMIT)
        for tenant_id, pks in due.items():
            with walls.within(tenant_id):
                _send_again(rows.filter(tenant=tenant_id, pk__in=pks), now)


@transaction.atomic
def _send_again(rows: QuerySet[LeasedWork], now: datetime) -> None:
    model = rows.model
    unlocked = rows.select_for_update(skip_locked=True, no_key=True).order_by(turns.WAITS_SINCE)
    works = list(unlocked.only("pk", "tenant_id", *model.DISPATCH_FIELDS))
    sent: list[LeasedWork] = []
    for lane in {turns.lane_of(work) for work in works}:
        of_lane = [work for work in works if turns.lane_of(work) == lane]
        sent += of_lane[: turns.free_places(works[0].tenant_id, lane)]
    model._default_manager.filter(pk__in=[work.pk for work in sent]).update(dispatched_at=now)
    for work in sent:
        dispatch(work)
