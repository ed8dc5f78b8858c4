"""A person's pause: nothing of an integration starts by itself until it ends or is resumed.

What other acts ask for meanwhile (an import, a link, the first reading of new keys) waits as a
queued run. A run that has begun ends as it would have, and a person may still test the connection.
Sync Now and a re-sync are refused (`Integration.refuse_paused`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from audit_site.errors import FieldErrors
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from integrations.models import NO_END, Integration, SyncRun, lock_integration
from integrations.runs import leases
from integrations.runs.dispatching import SWEEP_LIMIT, dispatch
from integrations.runs.starting import NOT_AVAILABLE

#: What a run says that waits for the end of a pause.
ON_PAUSE = "Paused"
COLUMNS = ("on_pause_since", "on_pause_until", "on_pause_by")


@transaction.atomic
def pause_integration(
    *, integration: Integration, actor: User | None, until: datetime | None = None
) -> None:
    """Pause until a moment; without one until somebody resumes it. Again: with another end."""
    if until is not None and until <= timezone.now():
        message = "Choose a moment to come, or leave it empty to pause until somebody resumes."
        raise FieldErrors([{"field": "until", "code": "invalid", "message": message}])
    locked = lock_integration(integration)
    locked.refuse_disconnected()
    if not locked.is_paused or locked.on_pause_until != until:
        before = _pause_of(locked)
        if not locked.is_paused:
            locked.on_pause_since = timezone.now()
        locked.on_pause_until, locked.on_pause_by = until, actor
        locked.save(update_fields=[*COLUMNS, "updated_at"])
        _hold_unbegun(locked)
        _held(locked).update(resume_at=until or NO_END)
        _audit(locked, actor, "integration.paused", before)
    _show(integration, locked)


@transaction.atomic
def resume_integration(*, integration: Integration, actor: User | None) -> None:
    """End a pause: what waited for that begins, and what was due meanwhile with the next tick."""
    locked = lock_integration(integration)
    locked.refuse_disconnected()
    if locked.is_paused:
        before = _pause_of(locked)
        forget_pause(locked)
        locked.save(update_fields=[*COLUMNS, "updated_at"])
        _release(locked)
        _audit(locked, actor, "integration.resumed", before)
    _show(integration, locked)


def forget_pause(integration: Integration) -> None:
    """Take the pause off the row; it is not saved."""
    integration.on_pause_since = integration.on_pause_until = integration.on_pause_by = None


def _pause_of(integration: Integration) -> dict[str, Any]:
    """A pause as the audit trail writes it."""
    if not integration.is_paused:
        return {"paused": False}
    return {"paused": True, "until": integration.on_pause_until}


def _audit(
    integration: Integration, actor: User | None, action: str, before: dict[str, Any]
) -> None:
    record_audit(
        tenant=integration.tenant,
        actor=actor,
        action=action,
        subject=integration,
        before=before,
        after=_pause_of(integration),
    )


def _show(integration: Integration, locked: Integration) -> None:
    """Let the caller's object say what is stored now."""
    for name in COLUMNS:
        setattr(integration, name, getattr(locked, name))


# Runs that wait for the end of a pause


def _held(integration: Integration) -> QuerySet[SyncRun]:
    """Those of `SyncRun.is_held`."""
    rows = SyncRun.objects.of(integration)
    return rows.filter(state=SyncRun.State.QUEUED, resume_at__isnull=False)


def _hold_unbegun(integration: Integration) -> None:
    """Runs that wait for a PSA that was down, and have asked it nothing yet, wait for the pause."""
    waiting = SyncRun.objects.of(integration).filter(
        state=SyncRun.State.RUNNING,
        lease_until=None,
        requests=0,
        waiting_for__endswith=NOT_AVAILABLE,
    )
    waiting.update(
        state=SyncRun.State.QUEUED,
        started_at=None,
        attempts=0,
        resume_at=NO_END,
        waiting_for=ON_PAUSE,
    )


def _release(integration: Integration) -> None:
    runs = list(_held(integration).only("pk", "tenant_id", *SyncRun.DISPATCH_FIELDS)[:SWEEP_LIMIT])
    _held(integration).update(resume_at=None, waiting_for="", dispatched_at=timezone.now())
    for run in runs:  # the sweep sends the rest
        dispatch(run)


@transaction.atomic
def hold(run: SyncRun) -> bool:
    """Put a claimed run that reads nothing yet back into the queue while its integration is paused.

    False = it may begin. The integration is locked: a person who resumes it meanwhile waits, and
    then finds the run.
    """
    if run.attempts > 1 or not run.integration.is_paused:
        return False
    locked = lock_integration(run.integration)
    if not locked.is_paused:
        return False
    leases.held(run).update(
        state=SyncRun.State.QUEUED,
        started_at=None,
        lease_until=None,
        dispatched_at=None,
        attempts=F("attempts") - 1,
        resume_at=locked.on_pause_until or NO_END,
        waiting_for=ON_PAUSE,
    )
    return True
