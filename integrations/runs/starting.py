"""Starting, following and cancelling sync runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from audit_site import limits, log_context
from audit_site.errors import DomainError
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from companies.models import Company
from integrations.models import (
    CompanyLink,
    Integration,
    SyncRun,
    SyncRunPage,
    lock_integration,
)
from integrations.runs.dispatching import SWEEP_LIMIT, dispatch

#: Everything is read again after this: deletions show in no list of changes, and some changes (in
#: some PSAs that of an e-mail address) move no stamp. Shorter than a day, so that each night does.
FULL_EVERY = timedelta(hours=20)


def _start(integration: Integration, actor: User | None, **values: Any) -> SyncRun:
    if actor is not None and (act := _limited(values)):
        limits.spend(integration.tenant, act)
    run = SyncRun.objects.create(
        tenant_id=integration.tenant_id,
        integration=integration,
        started_by=actor,
        dispatched_at=timezone.now(),
        checkpoint={"request_id": asked} if (asked := log_context.request_id()) else {},
        **values,
    )
    if actor is not None:
        record_audit(
            tenant=integration.tenant,
            actor=actor,
            action="sync.started",
            subject=integration,
            after={"run": run.pk, "trigger": run.trigger},
        )
    dispatch(run)
    return run


def _refuse_now(integration: Integration, actor: User | None) -> None:
    """Raise the DomainError of a connection that is not read now.

    While it is paused that is said to a person (`actor`). What follows from something else becomes
    a run that waits for the end of the pause.
    """
    integration.refuse_disconnected()
    if actor is not None:
        integration.refuse_paused()


def _limited(values: Mapping[str, Any]) -> limits.Act | None:
    """What a run is to the limits, when a person starts it; imports count by themselves."""
    if values.get("trigger") == SyncRun.Trigger.IMPORT:
        return None
    is_part = values.get("scope") == SyncRun.Scope.COMPANIES
    return limits.RESYNCS if is_part else limits.SYNCS


def start_sync_run(
    *,
    integration: Integration,
    actor: User | None = None,
    trigger: str = SyncRun.Trigger.MANUAL,
    accept_gone: Mapping[str, int] | None = None,
) -> tuple[SyncRun, bool]:
    """Return the run over everything that is queued or running, or a new one; True when it is new.

    A scheduled one reads only what changed, as long as everything was read a while ago. Sync Now
    reads everything, for some changes move no stamp in the PSA, and wakes a run that waits for a
    PSA that was down. A run that reads less than is asked for, or was cancelled, is followed by
    another one. `accept_gone`: of these kinds so many are really gone; a run
    that began without this can't take it on, so one under way is a DomainError.
    """
    _refuse_now(integration, actor)
    active = SyncRun.objects.of(integration).filter(
        scope=SyncRun.Scope.ALL,
        state__in=SyncRun.ACTIVE_STATES,
    )
    reading = _reading(integration, trigger)
    run, is_new = _start_once(
        active, integration, actor, trigger=trigger, reading=reading, accept_gone=accept_gone or {}
    )
    if accept_gone and not is_new:
        raise DomainError(
            "run_under_way",
            f"A sync of {integration.name} is under way, and it began before you said so.",
            "Wait until it has ended, or cancel it, then say it again.",
        )
    if is_new:
        return run, True
    falls_short = reading == SyncRun.Reading.FULL and run.reading != reading
    if (falls_short or run.cancel_requested) and not _has_follower(run, trigger):
        return start_sync_run(integration=integration, actor=actor, trigger=trigger)
    if trigger == SyncRun.Trigger.MANUAL:
        this = SyncRun.objects.filter(tenant=run.tenant_id, pk=run.pk)
        this.filter(state=SyncRun.State.QUEUED, cancel_requested=False).update(trigger=trigger)
        _wake(this, trigger=trigger)
    run.refresh_from_db()
    return run, False


def _has_follower(run: SyncRun, trigger: str) -> bool:
    """Have a run read everything, or be followed by one that does; False when it has ended."""
    rows = SyncRun.objects.filter(tenant=run.tenant_id, pk=run.pk, state__in=SyncRun.ACTIVE_STATES)
    unbegun = rows.filter(attempts=0, cancel_requested=False, company=None)
    if unbegun.update(reading=SyncRun.Reading.FULL):
        return True
    if trigger != SyncRun.Trigger.MANUAL:  # what a person asked for stays as it is
        return bool(rows.filter(followed_by="").update(followed_by=trigger)) or rows.exists()
    return bool(rows.update(followed_by=trigger))


def start_follower(ended: SyncRun) -> None:
    """Start what was asked of a run while it could not do it. Call it after the run's end."""
    rows = SyncRun.objects.filter(tenant=ended.tenant_id, pk=ended.pk).exclude(followed_by="")
    run = rows.select_related("integration__tenant", "company__tenant").first()
    if run is None:
        return
    with suppress(DomainError):  # disconnected or unlinked meanwhile: then nobody wants it
        if run.company is not None:
            start_company_sync(company=run.company, actor=None)
        elif run.scope == SyncRun.Scope.ALL:
            start_sync_run(integration=run.integration, trigger=run.followed_by)


#: What a run says that waits for a PSA that was found down, after the PSA's name.
NOT_AVAILABLE = "is not available"


def lift_pause(integration: Integration) -> None:
    """The PSA is there again: what waited for it continues now."""
    rows = SyncRun.objects.of(integration)
    _wake(rows)


def _wake(rows: QuerySet[SyncRun], **values: str) -> None:
    """Send those on their way that wait for nothing but a PSA that was down."""
    waiting = rows.filter(
        state=SyncRun.State.RUNNING, lease_until=None, waiting_for__endswith=NOT_AVAILABLE
    )
    for run in waiting.only("pk", "tenant_id", *SyncRun.DISPATCH_FIELDS)[:SWEEP_LIMIT]:
        if waiting.filter(pk=run.pk).update(resume_at=None, waiting_for="", **values):
            dispatch(run)


def _reading(integration: Integration, trigger: str) -> str:
    full_pass_at = integration.full_pass_at
    is_fresh = full_pass_at is not None and timezone.now() - full_pass_at < FULL_EVERY
    if trigger == SyncRun.Trigger.SCHEDULE and is_fresh:
        return SyncRun.Reading.CHANGES
    return SyncRun.Reading.FULL


def start_company_sync(*, company: Company, actor: User | None) -> tuple[SyncRun, bool]:
    """Re-read one linked company and its agreements: the run under way for it, or a new one."""
    link = (
        CompanyLink.objects.for_tenant(company.tenant)
        .in_force()
        .filter(company=company)
        .select_related("integration__tenant")
        .first()
    )
    if link is None:
        raise DomainError(
            "not_linked",
            "This audITee is not linked to a PSA, so there is nothing to re-sync.",
            "Link it to a company of your PSA first.",
        )
    _refuse_now(link.integration, actor)
    active = SyncRun.objects.filter(
        tenant=company.tenant_id, company=company, state__in=SyncRun.ACTIVE_STATES
    )
    wanted = [link.external_id]
    run, is_new = _start_once(
        active,
        link.integration,
        actor,
        scope=SyncRun.Scope.COMPANIES,
        company=company,
        companies=wanted,
    )
    reads_it = run.integration_id == link.integration_id and run.companies == wanted
    if is_new or (reads_it and not run.cancel_requested) or _has_follower(run, run.trigger):
        return run, is_new
    return start_company_sync(company=company, actor=actor)


def _start_once(
    active: QuerySet[SyncRun], integration: Integration, actor: User | None, **values: Any
) -> tuple[SyncRun, bool]:
    """The database lets one active run in; the one that loses the race gets the winner's run."""
    if run := active.first():
        return run, False
    try:
        with transaction.atomic():
            return _start(integration, actor, **values), True
    except IntegrityError:
        run = active.first()
        if run is None:
            raise
        return run, False


def start_import_run(
    *, integration: Integration, external_ids: Sequence[str], actor: User | None
) -> SyncRun:
    """Read just-imported companies, whatever other runs are under way."""
    return _start(
        integration,
        actor,
        trigger=SyncRun.Trigger.IMPORT,
        scope=SyncRun.Scope.COMPANIES,
        companies=list(external_ids),
    )


@transaction.atomic
def start_reread(
    *, integration: Integration, external_ids: Sequence[str], actor: User | None
) -> tuple[SyncRun, bool]:
    """Read just these PSA companies again, linked or not: the same reading under way, or a new one.

    Takes the integration's lock first, so that two clicks at once are one reading.
    """
    _refuse_now(integration, actor)
    wanted = sorted(set(external_ids))
    lock_integration(integration)
    link = (
        CompanyLink.objects.of(integration)
        .in_force()
        .filter(external_id=wanted[0])
        .select_related("company__tenant")
        .first()
        if len(wanted) == 1
        else None
    )
    if link is not None:
        return start_company_sync(company=link.company, actor=actor)
    active = SyncRun.objects.of(integration).filter(
        trigger=SyncRun.Trigger.MANUAL,
        scope=SyncRun.Scope.COMPANIES,
        companies=wanted,
        state__in=SyncRun.ACTIVE_STATES,
    )
    return _start_once(active, integration, actor, scope=SyncRun.Scope.COMPANIES, companies=wanted)


@transaction.atomic
def cancel_sync_run(*, run: SyncRun, actor: User | None) -> SyncRun:
    """Ask a run to stop; one that no worker holds right now stops at once."""
    rows = SyncRun.objects.for_tenant(run.tenant).filter(pk=run.pk, state__in=SyncRun.ACTIVE_STATES)
    now = timezone.now()
    unheld = Q(state=SyncRun.State.QUEUED) | Q(lease_until=None) | Q(lease_until__lt=now)
    stopped = rows.filter(unheld).update(
        state=SyncRun.State.CANCELLED,
        cancel_requested=True,
        followed_by="",
        finished_at=now,
        resume_at=None,
        waiting_for="",
        phase="",
    )
    if stopped:
        SyncRunPage.objects.filter(tenant=run.tenant_id, run=run).delete()
    if stopped or rows.update(cancel_requested=True, followed_by=""):
        record_audit(
            tenant=run.tenant,
            actor=actor,
            action="sync.cancelled",
            subject=run,
            before={"state": run.state},
            after={"state": SyncRun.State.CANCELLED} if stopped else {"cancel_requested": True},
        )
    run.refresh_from_db()
    return run
