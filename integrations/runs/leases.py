"""Claiming work, holding it, and losing it: what makes a killed worker's run go on by itself.

A worker claims a row by raising its fence, and holds it by moving `lease_until`. When it dies, the
lease runs out and the sweeper sends the work to another one, whose higher fence shuts out
whatever the first may still try to write.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, TypeVar

from django.db import Error as DatabaseFault
from django.db import connections, models, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from audit_site.db import walls
from integrations.models import LeasedWork
from integrations.runs import run_log, shutdown, turns

#: Four beats: a database that is busy for a while costs nobody the work, and a dead worker's is
#: taken over within half a minute (the sweep comes every five seconds).
LEASE = timedelta(seconds=20)
HEARTBEAT_SECONDS = 5.0

log = logging.getLogger(__name__)

WorkT = TypeVar("WorkT", bound=LeasedWork)


class LeaseLost(Exception):
    """Another worker holds this work now, or it has ended: write nothing more."""


def due(now: datetime) -> Q:
    """Rows that a worker may claim: queued, or running and held by none; not before their time."""
    unheld = Q(lease_until=None) | Q(lease_until__lt=now)
    not_waiting = Q(resume_at=None) | Q(resume_at__lte=now)
    return (Q(state="queued") | (Q(state="running") & unheld)) & not_waiting


def claim(model: type[WorkT], *, tenant_id: str, work_id: str) -> WorkT | None:
    """Take the work for this worker; None when it has ended, waits, or another worker holds it, and
    when it is not its turn.

    A worker that is being stopped takes none: the next sweep sends it to another.
    """
    now = timezone.now()
    rows: models.QuerySet[WorkT] = model._default_manager.filter(tenant_id=tenant_id, pk=work_id)
    if shutdown.requested.is_set():
        rows.filter(due(now)).update(dispatched_at=None)
        return None
    with transaction.atomic():
        claimed = rows.filter(due(now)).update(
            state="running",
            fence=F("fence") + 1,
            attempts=F("attempts") + 1,
            lease_until=now + LEASE,
            started_at=Coalesce("started_at", now),
            resume_at=None,
        )
        if not claimed:
            return None
        work = rows.select_related(*model.CLAIMED_WITH).get()
        may_begin = turns.has_place(work)
        if not may_begin:
            transaction.set_rollback(True)
    if not may_begin:
        turns.note_waits(work)
        return None
    run_log.begins(work)
    return work


def give_back(work: LeasedWork, until: datetime) -> None:
    """Release work that this worker can't do, as if it had not claimed it: others may, from a
    moment on, when the sweep sends it again.
    """
    held(work).update(
        lease_until=None, resume_at=until, dispatched_at=None, attempts=F("attempts") - 1
    )


def held(work: WorkT) -> models.QuerySet[WorkT]:
    """The work's row, if this worker still holds it; no row otherwise."""
    return type(work)._default_manager.filter(
        tenant_id=work.tenant_id, pk=work.pk, fence=work.fence, state="running"
    )


class LeaseKeeper:
    """Moves the lease on in the background, so that a slow PSA doesn't cost us the work."""

    def __init__(self, work: LeasedWork) -> None:
        self._work = work
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=walls.carried(self._beat), name="heartbeat", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        try:
            while not self._stop.wait(HEARTBEAT_SECONDS):
                try:
                    if not held(self._work).update(lease_until=timezone.now() + LEASE):
                        return
                except DatabaseFault as error:  # a lease outlives some beats that are missed
                    log.warning("heartbeat_missed error=%s", type(error).__name__)
                    connections.close_all()
        finally:
            connections.close_all()
