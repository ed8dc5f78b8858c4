"""Reads over sync runs."""

from __future__ import annotations

from uuid import UUID

from django.db.models import (
    QuerySet,
)

from audit_site.tenants.models import Tenant
from integrations.models import (
    SyncEvent,
    SyncRun,
)


def list_sync_runs(
    tenant: Tenant,
    *,
    integration: str | UUID | None = None,
    company: str | UUID | None = None,
    state: str | None = None,
) -> QuerySet[SyncRun]:
    """Runs, newest first."""
    rows = SyncRun.objects.for_tenant(tenant).select_related("integration", "company", "started_by")
    wanted = {"integration": integration, "company": company, "state": state}
    return rows.filter(**{name: value for name, value in wanted.items() if value}).order_by("-id")


def list_events(run: SyncRun) -> QuerySet[SyncEvent]:
    """What a run did to each record, in order."""
    return SyncEvent.objects.filter(tenant=run.tenant_id, run=run).order_by("id")
