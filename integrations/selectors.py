"""Reads over integrations, the import list, runs and linked companies.

All begin with the tenant.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, QuerySet, Subquery, UUIDField

from audit_site.tenants.models import Role, Tenant, User
from companies.models import Company, Contact, current_contacts
from integrations.models import (
    CompanyLink,
    ConnectionTest,
    Integration,
    PsaCompanyRecord,
    SyncEvent,
    SyncRun,
)
from integrations.services.import_list import searchable
from integrations.services.import_rules import Reason, explain
from integrations.services.psa_access import info_of


def list_integrations(tenant: Tenant, *, status: str | None = None) -> QuerySet[Integration]:
    """Integrations with their newest test, candidate's test and run;

    disconnected ones only if asked.
    """
    rows = Integration.objects.for_tenant(tenant).select_related("tenant")
    if status is None:
        rows = rows.exclude(status=Integration.Status.DISCONNECTED)
    else:
        rows = rows.filter(status=status)
    tests = ConnectionTest.objects.for_tenant(tenant).order_by("-id")
    runs = SyncRun.objects.for_tenant(tenant).filter(scope=SyncRun.Scope.ALL).order_by("-id")
    prefetches: list[Prefetch[Any]] = [
        Prefetch("tests", tests.filter(is_candidate=False)[:1], to_attr="newest_tests"),
        Prefetch("tests", tests.filter(is_candidate=True)[:1], to_attr="newest_candidate_tests"),
        Prefetch("runs", runs[:1], to_attr="newest_runs"),
    ]
    return rows.order_by("id").prefetch_related(*prefetches)


def list_psa_companies(
    integration: Integration,
    *,
    search: str = "",
    importable: bool | None = None,
    linked: bool | None = None,
    status: str = "",
) -> QuerySet[PsaCompanyRecord]:
    """The import list, each with `linked_company_id` and `linked_company_name` (None = not linked).

    Importable = breaks no rule and is not linked yet. Search finds a part of the name, without
    regard to case and accents, or the id.
    """
    links = CompanyLink.objects.filter(
        tenant=integration.tenant_id,
        integration=integration,
        external_id=OuterRef("external_id"),
        unlinked_at=None,
    )
    rows = (
        PsaCompanyRecord.objects.filter(tenant=integration.tenant_id, integration=integration)
        .annotate(
            linked_company_id=Subquery(links.values("company_id")[:1], output_field=UUIDField()),
            linked_company_name=Subquery(links.values("company__name")[:1]),
        )
        .select_related("integration")
        .order_by("search_text", "id")
    )
    if search.strip():
        rows = rows.filter(search_text__contains=searchable(search.strip()))
    if linked is not None:
        rows = rows.filter(Exists(links)) if linked else rows.exclude(Exists(links))
    if importable is True:
        rows = rows.filter(importable=True).exclude(Exists(links))
    elif importable is False:
        rows = rows.exclude(~Exists(links), importable=True)
    if status:
        rows = rows.filter(status__iexact=status)
    return rows


def reasons_of(record: PsaCompanyRecord) -> list[Reason]:
    """Why a row of `list_psa_companies` can't be imported, none when it can."""
    name = info_of(record.integration).name
    linked = getattr(record, "linked_company_id", None)
    codes = [*(["already_linked"] if linked else []), *record.rule_codes]
    return [explain(code, name) for code in codes]


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


def admins_of(tenant: Tenant) -> list[User]:
    """The people who may connect a PSA, by name."""
    admins = User.objects.filter(
        memberships__tenant=tenant, memberships__role=Role.ADMIN, is_active=True
    )
    return list(admins.order_by("name", "email"))


def companies_with_links(
    tenant: Tenant, *, search: str = "", status: str | None = None
) -> QuerySet[Company]:
    """Companies with their link and contacts (`current_link`, `primary`, `people`), by name."""
    rows = Company.objects.for_tenant(tenant)
    if search.strip():
        rows = rows.filter(name__icontains=search.strip())
    if status:
        rows = rows.filter(status=status)
    links = CompanyLink.objects.for_tenant(tenant).filter(unlinked_at=None)
    people = current_contacts(Contact.objects.for_tenant(tenant))
    return rows.order_by("name", "id").prefetch_related(
        Prefetch("links", links.select_related("integration"), to_attr="current_links"),
        Prefetch("contacts", people, to_attr="current_contacts"),
    )
