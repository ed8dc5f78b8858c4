"""Whose turn it is: so many pieces of a tenant's work are under way at once, in each lane.

What finds all its tenant's places taken stays queued and says so; whatever ends sends the next one
(`dispatching.send_next`). A sync that has had its time lets others by when they have waited for a
thread: it goes to the back of the queue and continues after its last page.
"""

from __future__ import annotations

from datetime import timedelta
from time import monotonic
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from audit_site.db import walls
from audit_site.lanes import SYNC, URGENT
from audit_site.tenants.locks import lock_tenant
from integrations.models import ConnectionTest, ImportBatch, LeasedWork, LinkPreview, SyncRun

#: What may be in each lane.
WORK_OF_LANES: Final[dict[str, tuple[type[LeasedWork], ...]]] = {
    SYNC: (SyncRun, ImportBatch),
    URGENT: (SyncRun, ImportBatch, ConnectionTest, LinkPreview),
}
#: What a run says that waits for others of its tenant.
IN_TURN: Final = "Other syncs of yours are under way"
#: A sync goes on for so long whoever waits, and looks so often after that.
TURN_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 10.0
#: How long others wait before a long sync lets them by.
PATIENCE: Final = timedelta(seconds=30)


#: Since when work that is due waits: since it was asked for, or since it last gave its thread back.
WAITS_SINCE: Final = Coalesce("resume_at", "queued_at")


class TurnOver(Exception):
    """This work has had its time, and others wait: it goes on later."""


def lane_of(work: LeasedWork) -> str:
    return URGENT if work.is_awaited else SYNC


def _places(lane: str) -> int:
    return int({SYNC: settings.SYNCS_A_TENANT, URGENT: settings.URGENT_A_TENANT}[lane])


def free_places(tenant_id: UUID, lane: str) -> int:
    """How many pieces of a tenant's work may begin in a lane now. A statement a kind of work."""
    return max(_places(lane) - _under_way(tenant_id, lane, other_than=None), 0)


def has_place(work: LeasedWork) -> bool:
    """Whether work that was just claimed may begin; call it in the transaction of its claim.

    The tenant is locked: of two workers that claim its last place at once, one finds it taken.
    """
    lane = lane_of(work)
    lock_tenant(work.tenant)
    return _under_way(work.tenant_id, lane, other_than=work) < _places(lane)


def _under_way(tenant_id: UUID, lane: str, *, other_than: LeasedWork | None) -> int:
    """How many pieces of a tenant's work in a lane are held by a worker."""
    held, found = Q(state="running", lease_until__gt=timezone.now()), 0
    for model in WORK_OF_LANES[lane]:
        rows = model._default_manager.filter(held, tenant=tenant_id)
        rows = rows.only("pk", "tenant_id", *model.DISPATCH_FIELDS)
        if isinstance(other_than, model):
            rows = rows.exclude(pk=other_than.pk)
        found += sum(lane_of(row) == lane for row in rows)
    return found


def note_waits(work: LeasedWork) -> None:
    """Say of a run that it waits for others of its tenant."""
    if isinstance(work, SyncRun):
        rows = SyncRun.objects.filter(tenant=work.tenant_id, pk=work.pk, waiting_for="")
        rows.filter(state__in=SyncRun.ACTIVE_STATES, lease_until=None).update(waiting_for=IN_TURN)


class Turn:
    """The time of one piece of work, since a worker took it."""

    def __init__(self, work: LeasedWork) -> None:
        self._tenant_id = work.tenant_id
        self._look_at = monotonic() + TURN_SECONDS

    def check(self) -> None:
        """Raise TurnOver when it has had its time and others wait for a thread; out of pages."""
        if monotonic() < self._look_at:
            return
        self._look_at = monotonic() + LOOK_SECONDS
        if _others_wait(self._tenant_id):
            raise TurnOver


def let_first_readings_by(run: SyncRun) -> None:
    """Raise TurnOver while companies of the same connection wait for their first reading."""
    waiting = SyncRun.objects.of(run.integration).filter(
        state=SyncRun.State.QUEUED, trigger=SyncRun.Trigger.IMPORT, resume_at=None
    )
    if waiting.exists():
        raise TurnOver


def _others_wait(tenant_id: UUID) -> bool:
    """Whether a sync of another tenant has waited long enough, and not for its own tenant's."""
    now = timezone.now()
    unheld = Q(state="queued") | Q(state="running", lease_until=None)
    with walls.as_system("sweep"):
        rows = SyncRun.objects.exclude(tenant=tenant_id).exclude(waiting_for=IN_TURN)
        waiting = rows.filter(unheld).annotate(since=WAITS_SINCE)
        return waiting.filter(since__lt=now - PATIENCE).exists()
