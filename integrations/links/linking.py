"""Tying audITees to PSA companies, and ending that. Takes no licence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from agreements import typed
from agreements.causes import caused_by
from audit_site.db.bulk import AnyOf
from audit_site.errors import DomainError
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from companies.services import suggestions_may_differ
from integrations.importing.ignoring import end_ignoring
from integrations.importing.rules import REASONS, explain
from integrations.issues.inbox import close_issues
from integrations.links.following import Pair, refused_returns, take_place
from integrations.links.kept import kept_of, left_of
from integrations.models import (
    CompanyLink,
    Integration,
    PsaCompanyRecord,
    SyncRun,
    lock_integration,
)
from integrations.runs.starting import cancel_sync_run, start_company_sync, start_import_run


class AlreadyLinkedError(DomainError):
    """One of the two sides is linked: `holder` is the audITee of that link."""

    def __init__(self, message: str, holder: Company) -> None:
        super().__init__(
            "already_linked", message, "Unlink it first if the other link is the wrong one."
        )
        self.more = {"holder": {"id": str(holder.pk), "name": holder.name}}


@dataclass(frozen=True, slots=True)
class RejectedLink:
    company: Company
    external_id: str
    error: DomainError


@dataclass(slots=True)
class LinkResult:
    """The links that were made, why others were not, and the run that reads their agreements."""

    links: list[CompanyLink] = field(default_factory=list)
    rejected: list[RejectedLink] = field(default_factory=list)
    sync_run: SyncRun | None = None


def link_company(
    *, company: Company, integration: Integration, external_id: str, actor: User | None
) -> CompanyLink:
    """Link a company to a PSA company and start reading its agreements."""
    result = link_many(integration=integration, pairs=[(company, external_id)], actor=actor)
    for rejected in result.rejected:
        raise rejected.error
    return result.links[0]


@transaction.atomic
def link_many(*, integration: Integration, pairs: Sequence[Pair], actor: User | None) -> LinkResult:
    """Link audITees to companies of one PSA account, each with what it was before, and start
    reading their agreements.

    Statements do not rise with the number, but for the audit trail's. Takes the integration's lock
    first, then the audITees' in the order of their ids: one that is linked, or whose link is
    undone, at the same moment is seen as it is afterwards.
    """
    integration.refuse_disconnected()
    lock_integration(integration)
    tenant = integration.tenant
    companies = lock_companies(tenant, [company.pk for company, _ in pairs])
    wanted = [(companies[company.pk], external_id) for company, external_id in pairs]
    result = LinkResult()
    chosen = _choose(integration, wanted, result)
    if chosen:
        _create(integration, chosen, actor, result)
    if result.links:
        with caused_by("link", actor=actor, name=integration.name):
            typed.set_aside(links=result.links, actor=actor)
        result.sync_run = _start_reading(integration, result.links)
    return result


def refuse_pair(integration: Integration, company: Company, external_id: str) -> None:
    """Raise the DomainError with which this link would be refused now."""
    result = LinkResult()
    _choose(integration, [(company, external_id)], result)
    for rejected in result.rejected:
        raise rejected.error


def lock_companies(tenant: Tenant, ids: Sequence[UUID]) -> dict[UUID, Company]:
    """These audITees as they are now, held until the transaction ends."""
    rows = Company.objects.for_tenant(tenant).filter(AnyOf("id", ids)).order_by("id")
    found = {row.pk: row for row in rows.select_for_update(no_key=True)}
    for row in found.values():
        row.tenant = tenant
    return found


def _choose(integration: Integration, pairs: Sequence[Pair], result: LinkResult) -> list[Pair]:
    """Those of the pairs of which neither side is linked, each side once."""
    records = {
        record.external_id: record
        for record in PsaCompanyRecord.objects.of(integration).filter(
            AnyOf("external_id", [external_id for _, external_id in pairs])
        )
    }
    ours, theirs = _links_of(integration, pairs)
    returns = refused_returns(integration, pairs)
    chosen = []
    for company, external_id in pairs:
        record = records.get(external_id)
        error: DomainError | None = None
        if record is None:
            reason = explain("unknown_company", integration.psa_info)
            error = DomainError("unknown_company", reason["message"], reason["fix"], status=400)
        elif link := ours.get(company.pk):
            error = _is_linked(company, link)
        elif link := theirs.get(external_id):
            error = _is_taken(record, link.company)
        else:
            error = returns.get((company.pk, external_id))
        if error is not None:
            result.rejected.append(RejectedLink(company, external_id, error))
            continue
        link = CompanyLink(integration=integration, company=company, external_id=external_id)
        ours[company.pk] = theirs[external_id] = link
        chosen.append((company, external_id))
    return chosen


def _links_of(
    integration: Integration, pairs: Sequence[Pair]
) -> tuple[dict[UUID, CompanyLink], dict[str, CompanyLink]]:
    """The links in force that either side of these pairs has: by audITee, and by PSA company."""
    ids, external_ids = [company.pk for company, _ in pairs], [theirs for _, theirs in pairs]
    rows = CompanyLink.objects.for_tenant(integration.tenant).in_force()
    of_theirs = Q(AnyOf("external_id", external_ids), integration=integration)
    rows = rows.filter(Q(AnyOf("company_id", ids)) | of_theirs)
    found = list(rows.select_related("company", "integration"))
    theirs = {link.external_id: link for link in found if link.integration_id == integration.pk}
    return {link.company_id: link for link in found}, theirs


def _is_linked(company: Company, link: CompanyLink) -> DomainError:
    there = f"company {link.external_id} of {link.integration.name}"
    return AlreadyLinkedError(f"“{company.name}” is linked to {there} already.", company)


def _is_taken(record: PsaCompanyRecord, holder: Company) -> DomainError:
    return AlreadyLinkedError(f"“{record.name}” is linked to “{holder.name}” already.", holder)


def _create(
    integration: Integration, pairs: Sequence[Pair], actor: User | None, result: LinkResult
) -> None:
    before = kept_of(integration, [company for company, _ in pairs])
    links = [
        CompanyLink(
            tenant=integration.tenant,
            integration=integration,
            company=company,
            external_id=external_id,
            linked_by=actor,
            before=before[company.pk],
        )
        for company, external_id in pairs
    ]
    take_place(links)
    CompanyLink.objects.bulk_create(links, ignore_conflicts=True)
    rows = CompanyLink.objects.of(integration).filter(AnyOf("id", [link.pk for link in links]))
    made = set(rows.values_list("pk", flat=True))
    result.links = [link for link in links if link.pk in made]
    lost = [(link.company, link.external_id) for link in links if link.pk not in made]
    if lost:  # an import has linked them in the meantime
        _choose(integration, lost, result)
    for link in result.links:
        record_audit(
            tenant=integration.tenant,
            actor=actor,
            action="company.linked",
            subject=link.company,
            after=audited(link),
        )


def _start_reading(integration: Integration, links: Sequence[CompanyLink]) -> SyncRun:
    ids = [link.external_id for link in links]
    end_ignoring(integration, ids)
    suggestions_may_differ(integration.tenant)
    if len(links) == 1:
        return start_company_sync(company=links[0].company, actor=None)[0]
    return start_import_run(integration=integration, external_ids=ids, actor=None)


def audited(link: CompanyLink) -> dict[str, str]:
    """A link as the audit trail writes it."""
    return {
        "integration": str(link.integration_id),
        "integration_name": link.integration.name,
        "external_id": link.external_id,
    }


@transaction.atomic
def unlink_company(*, company: Company, actor: User | None) -> None:
    """End the link. All stays as it was last seen; name and primary contact become editable.

    Takes the integration's lock first: a page of a run that is being written ends before.
    """
    links = CompanyLink.objects.for_tenant(company.tenant).in_force().filter(company=company)
    link = links.select_related("integration").first()
    if link is not None:
        lock_integration(link.integration)
    now, left = timezone.now(), left_of(_fresh(company))
    if link is None or not links.filter(pk=link.pk).update(unlinked_at=now, left=left):
        raise DomainError("not_linked", "This audITee is not linked to a PSA.")
    stop_reading(link, company, actor)
    suggestions_may_differ(company.tenant)
    record_audit(
        tenant=company.tenant,
        actor=actor,
        action="company.unlinked",
        subject=company,
        before=audited(link),
    )


def _fresh(company: Company) -> Company:
    return Company.objects.for_tenant(company.tenant).get(pk=company.pk)


def stop_reading(link: CompanyLink, company: Company, actor: User | None) -> None:
    """End the re-syncs of an audITee whose link has ended, and what the inbox says of it."""
    for run in SyncRun.objects.filter(
        tenant=company.tenant_id, company=company, state__in=SyncRun.ACTIVE_STATES
    ):
        cancel_sync_run(run=run, actor=actor)
    close_issues(
        link.integration, kind="company", codes=REASONS.keys(), external_ids={link.external_id}
    )
