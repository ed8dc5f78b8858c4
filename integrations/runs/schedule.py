"""Automatic sync: when an integration is due next, and starting what is due."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime, time, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Count, Q, QuerySet, Value, When, Window
from django.db.models.expressions import Combinable
from django.db.models.functions import RowNumber
from django.utils import timezone

from audit_site.db import walls
from audit_site.errors import FieldErrors
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import Tenant, User
from integrations.models import Integration, IntegrationQuerySet, SyncRun, lock_integration
from integrations.runs import starting

log = logging.getLogger(__name__)

#: Nightly syncs begin within this many minutes after their time, so that not all ask at once.
SPREAD_MINUTES: Final = 60
#: What one tick starts at the most.
STARTS_A_TICK: Final = 50
PLANS_A_TICK: Final = 500

Every = Integration.Schedule


def spread(integration_id: UUID) -> int:
    """An integration's own minute, 0 to 59: always the same, and even over many integrations."""
    digest = hashlib.blake2b(integration_id.bytes, digest_size=8).digest()
    return int.from_bytes(digest, "big") % SPREAD_MINUTES


def next_sync(integration: Integration, after: datetime) -> datetime | None:
    """When the schedule wants the next sync, strictly after a moment; None = never.

    Nightly goes by the tenant's clock and knows one moment for each of its calendar days: a time
    that the clock skips counts as if it had not been put forward, one that it shows twice as the
    first of the two. The spread is added to that moment, not to the clock.
    """
    minutes = timedelta(minutes=spread(integration.pk))
    match integration.schedule:
        case Every.HOURLY:
            hour = after.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            own = hour + minutes
            return own if own > after else own + timedelta(hours=1)
        case Every.NIGHTLY:
            zone = integration.tenant.zone
            today = after.astimezone(zone).date()
            nights = (
                datetime.combine(today + timedelta(days=days), integration.nightly_at, tzinfo=zone)
                for days in range(-1, 4)  # yesterday's may still come; a zone may skip a day
            )
            return next(due for night in nights if (due := night.astimezone(UTC) + minutes) > after)
    return None


def next_at(integration: Integration) -> datetime | None:
    """When the next automatic sync is to be expected; None when none will come as things stand.

    A past moment: it is due, and starts as soon as it is its turn.
    """
    if not integration.is_connected or integration.schedule == Every.OFF:
        return None
    pause_ends = integration.on_pause_until if integration.is_paused else None
    if integration.is_paused and pause_ends is None:
        return None
    planned = integration.next_sync_at or next_sync(integration, timezone.now())
    if planned is None:
        return None
    return max(moment for moment in (planned, integration.paused_until, pause_ends) if moment)


@transaction.atomic
def set_schedule(
    *,
    integration: Integration,
    actor: User | None,
    every: str | None = None,
    at: time | None = None,
) -> None:
    """Choose how often an integration is synced by itself, and plan the next time again.

    What is not given stays as it is. `at` is by the tenant's clock and matters at night only; it is
    kept while another rhythm is chosen.
    """
    locked = lock_integration(integration)
    locked.refuse_disconnected()
    if every is not None and every not in Every.values:
        message = f"Choose one of: {', '.join(Every.values)}."
        raise FieldErrors(
            [{"field": "schedule.every", "code": "invalid_choice", "message": message}]
        )
    before = _words(locked)
    locked.schedule = every or locked.schedule
    if at is not None:
        locked.nightly_at = at.replace(second=0, microsecond=0)
    after = _words(locked)
    if after != before:
        locked.next_sync_at = next_sync(locked, timezone.now())
        locked.save(update_fields=["schedule", "nightly_at", "next_sync_at", "updated_at"])
        record_audit(
            tenant=locked.tenant,
            actor=actor,
            action="integration.schedule_changed",
            subject=locked,
            before=before,
            after=after,
        )
    for name in ("schedule", "nightly_at", "next_sync_at"):
        setattr(integration, name, getattr(locked, name))


def plan_nights_again(tenant: Tenant) -> None:
    """Have the clock plan each nightly sync again: the tenant's nights have moved."""
    rows = Integration.objects.for_tenant(tenant).filter(schedule=Every.NIGHTLY)
    held = rows.order_by("id").select_for_update(no_key=True).values_list("id", flat=True)
    rows.filter(pk__in=list(held)).update(next_sync_at=None)


def _words(integration: Integration) -> dict[str, str]:
    return {"every": integration.schedule, "at": f"{integration.nightly_at:%H:%M}"}


# The clock's tick


def dispatch_due() -> None:
    """Start what is due and plan what has no next time yet. Two clocks do no harm."""
    now = timezone.now()
    for integration in _turns(now):
        try:
            with walls.within(integration.tenant_id):
                _start(integration, now)
        except Exception:  # the others don't wait for it
            log.exception("scheduled_sync_not_started integration=%s", integration.pk)
    unplanned = _scheduled().filter(next_sync_at=None)
    first = walls.first_by_tenant(unplanned.order_by("id"), "dispatch_due", PLANS_A_TICK)
    for tenant_id, pks in first.items():
        with walls.within(tenant_id):
            _plan(unplanned.filter(tenant=tenant_id, pk__in=pks), now)


def _scheduled() -> IntegrationQuerySet:
    return Integration.objects.connected().exclude(schedule=Every.OFF)


def _due(now: datetime) -> QuerySet[Integration]:
    unpaused = Q(paused_until=None) | Q(paused_until__lte=now)
    return _scheduled().not_paused(now).filter(unpaused, next_sync_at__lte=now)


def _turns(now: datetime) -> list[Integration]:
    """What may start in this tick: each tenant's first, then each tenant's second."""
    with walls.as_system("dispatch_due"):
        turns = list(_ranked(now)[:STARTS_A_TICK])
        rows = Integration.objects.defer("credentials", "candidate").in_bulk(turns)
    return [rows[pk] for pk in turns if pk in rows]


def _ranked(now: datetime) -> QuerySet[Integration, UUID]:
    """Ids of what is due, by turn: a tenant's scheduled runs under way come before its due ones."""
    busy = (
        SyncRun.objects.filter(
            scope=SyncRun.Scope.ALL,
            trigger=SyncRun.Trigger.SCHEDULE,
            state__in=SyncRun.ACTIVE_STATES,
        )
        .exclude(resume_at__gt=now)  # one that waits holds nobody up
        .order_by()
        .values("tenant")
        .annotate(count=Count("pk"))
    )
    turn: Combinable = Window(RowNumber(), partition_by=["tenant"], order_by=["next_sync_at", "id"])
    for count in range(1, settings.SYNCS_A_TENANT + 1):
        has_as_many = When(tenant__in=busy.filter(count__gte=count).values("tenant"), then=Value(1))
        turn = turn + Case(has_as_many, default=Value(0))
    return (
        _due(now)
        .annotate(turn=turn)
        .filter(turn__lte=settings.SYNCS_A_TENANT)
        .order_by("turn", "next_sync_at", "id")
        .values_list("pk", flat=True)
    )


@transaction.atomic
def _start(integration: Integration, now: datetime) -> None:
    """Move the next time on and start the run, both or neither: a crash costs no night."""
    claimed = (
        _due(now)
        .filter(
            tenant=integration.tenant_id,
            pk=integration.pk,
            next_sync_at=integration.next_sync_at,
        )
        .update(next_sync_at=next_sync(integration, now))
    )
    if claimed:
        starting.start_sync_run(integration=integration, trigger=SyncRun.Trigger.SCHEDULE)


def _plan(unplanned: QuerySet[Integration], now: datetime) -> None:
    planned: list[Integration] = []
    for integration in unplanned.select_related("tenant"):
        try:
            integration.next_sync_at = next_sync(integration, now)
            planned.append(integration)
        except Exception:  # the others don't wait for it
            log.exception("sync_not_planned integration=%s", integration.pk)
    unplanned.bulk_update(planned, ["next_sync_at"])
