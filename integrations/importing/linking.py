"""Tying an existing audITee to a PSA company, and undoing it. Takes no licence."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from audit_site.errors import DomainError
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from companies.models import Company
from integrations.importing.ignoring import end_ignoring
from integrations.importing.rules import REASONS, explain
from integrations.issues.inbox import close_issues
from integrations.models import (
    CompanyLink,
    Integration,
    PsaCompanyRecord,
    SyncRun,
    lock_integration,
)
from integrations.runs.starting import cancel_sync_run, start_company_sync


def link_company(
    *, company: Company, integration: Integration, external_id: str, actor: User | None
) -> CompanyLink:
    """Link a company to a PSA company and start reading its agreements."""
    integration.refuse_disconnected()
    try:
        with transaction.atomic():
            return _link(company, integration, external_id, actor)
    except IntegrityError:
        raise _already_linked() from None


def _link(
    company: Company, integration: Integration, external_id: str, actor: User | None
) -> CompanyLink:
    rows = PsaCompanyRecord.objects.of(integration).filter(external_id=external_id)
    record = rows.first()
    if record is None:
        reason = explain("unknown_company", integration.psa_info)
        raise DomainError("unknown_company", reason["message"], reason["fix"], status=400)
    current = CompanyLink.objects.for_tenant(company.tenant).in_force()
    if (
        current.filter(company=company).exists()
        or current.filter(integration=integration, external_id=external_id).exists()
    ):
        raise _already_linked()
    link = CompanyLink.objects.create(
        tenant_id=company.tenant_id,
        integration=integration,
        company=company,
        external_id=external_id,
        linked_by=actor,
    )
    record_audit(
        tenant=company.tenant,
        actor=actor,
        action="company.linked",
        subject=company,
        after=_values(link),
    )
    start_company_sync(company=company, actor=None)
    end_ignoring(integration, [external_id] if record.ignored_at else [])
    return link


def _values(link: CompanyLink) -> dict[str, str]:
    """A link as the audit trail writes it."""
    return {
        "integration": str(link.integration_id),
        "integration_name": link.integration.name,
        "external_id": link.external_id,
    }


def _already_linked() -> DomainError:
    return DomainError(
        "already_linked",
        "The audITee or the PSA company is linked already.",
        "Unlink it first if the other link is the wrong one.",
    )


@transaction.atomic
def unlink_company(*, company: Company, actor: User | None) -> None:
    """Undo the link. All stays as it was last seen; name and primary contact become editable.

    Takes the integration's lock first: a page of a run that is being written ends before.
    """
    links = CompanyLink.objects.for_tenant(company.tenant).in_force().filter(company=company)
    link = links.select_related("integration").first()
    if link is not None:
        lock_integration(link.integration)
    if link is None or not links.filter(pk=link.pk).update(unlinked_at=timezone.now()):
        raise DomainError("not_linked", "This audITee is not linked to a PSA.")
    for run in SyncRun.objects.filter(
        tenant=company.tenant_id, company=company, state__in=SyncRun.ACTIVE_STATES
    ):
        cancel_sync_run(run=run, actor=actor)
    close_issues(
        link.integration, kind="company", codes=REASONS.keys(), external_ids={link.external_id}
    )
    record_audit(
        tenant=company.tenant,
        actor=actor,
        action="company.unlinked",
        subject=company,
        before=_values(link),
    )


def link_of(company: Company) -> CompanyLink | None:
    """The link in force; no query where `companies_with_links` read the company."""
    links: list[CompanyLink] | None = getattr(company, "links_in_force", None)
    if links is None:
        rows = CompanyLink.objects.for_tenant(company.tenant).in_force()
        links = list(rows.filter(company=company).select_related("integration"))
    return links[0] if links else None


def link_at(company: Company, at: datetime) -> CompanyLink | None:
    """The link that was in force at a moment."""
    rows = CompanyLink.objects.for_tenant(company.tenant).filter(
        Q(unlinked_at=None) | Q(unlinked_at__gt=at), company=company, linked_at__lte=at
    )
    return rows.select_related("integration").order_by("-linked_at").first()


def owner_of(company: Company) -> str:
    """The name of the PSA that owns the company's name and contacts; "" = it is ours to edit."""
    link = link_of(company)
    return link.integration.psa_info.name if link and link.is_active else ""
