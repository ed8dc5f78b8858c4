"""Reads over sync runs."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from audit_site.db.json_rows import list_has
from audit_site.db.statements import ModelStatement, asked_id
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import CompanyLink, Integration, SyncEvent, SyncRun


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


#: One run of a tenant by its id, with what is shown of it as it goes on.
SHOWN_RUN: Final = ModelStatement[SyncRun](
    lambda: SyncRun.objects.filter(tenant=asked_id(0), pk=asked_id(1)).defer(
        "checkpoint", "companies", "accept_gone"
    )
)


def last_full_runs(integration: Integration, number: int) -> list[SyncRun]:
    """The newest runs over everything, oldest first: their states. One statement."""
    rows = SyncRun.objects.of(integration).filter(scope=SyncRun.Scope.ALL).order_by("-id")
    return list(rows.only("tenant", "integration", "state", "queued_at")[:number])[::-1]


def last_reading(company: Company) -> SyncRun | None:
    """The run that read an audITee last: one of its own, one of several, or one over everything."""
    links = CompanyLink.objects.for_tenant(company.tenant).standing().filter(company=company)
    link = links.exclude(last_synced_at=None).order_by("-last_synced_at").first()
    if link is None:
        return None
    runs = list_sync_runs(company.tenant, integration=link.integration_id)
    of_it = Q(company=company) | Q(company=None, scope=SyncRun.Scope.ALL)
    of_it |= Q(list_has("companies", link.external_id))
    return runs.filter(of_it, started_at__lte=link.last_synced_at).order_by("-started_at").first()


def count_ended_unread(tenant: Tenant, company_id: UUID | None = None) -> int:
    """Of how many audITees (or of this one) the agreements that have ended are not read yet."""
    links = CompanyLink.objects.for_tenant(tenant).in_force().filter(ended_unread=True)
    links = links.filter(company__status=Company.Status.ACTIVE)
    return (links.filter(company=company_id) if company_id else links).count()


def list_events(run: SyncRun) -> QuerySet[SyncEvent]:
    """What a run did to each record, in order."""
    return SyncEvent.objects.filter(tenant=run.tenant_id, run=run).order_by("id")
