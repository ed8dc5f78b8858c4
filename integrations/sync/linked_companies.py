"""What a sync keeps current for linked companies: name, contacts, flags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from audit_site.db.bulk import AnyOf
from companies import primary
from companies.models import Company, Contact
from companies.names import keep_former_names
from integrations.importing.mirror import Checked
from integrations.importing.record_store import Changes, contact_values, store
from integrations.importing.rules import explain
from integrations.issues.inbox import IssueReport
from integrations.models import CompanyLink, Integration, PsaCompanyRecord, PsaContactRecord
from integrations.psa.contract import PsaInfo


def apply_companies(
    integration: Integration, links: list[CompanyLink], checked: Checked, now: datetime
) -> list[PsaCompanyRecord]:
    """Bring name, contacts and flags of linked companies up to date from the import list.

    Returns the PSA companies among them that break a rule.
    """
    records = checked.companies
    paired = [(link, records[link.external_id]) for link in links if link.external_id in records]
    if not paired:
        return []
    _apply_names(integration, paired, now)
    _apply_contacts(integration, paired, checked.contacts, now)
    flagged = [link for link, record in paired if link.problem_codes != record.rule_codes]
    for link, record in paired:
        link.problem_codes = record.rule_codes
    CompanyLink.objects.bulk_update(flagged, ["problem_codes"])
    return [record for _, record in paired if record.rule_codes]


def reports_of(record: PsaCompanyRecord, info: PsaInfo, merged_into: str) -> Iterator[IssueReport]:
    """What is wrong with a linked company, one report for each rule that it breaks."""
    for code in record.rule_codes:
        reason = explain(code, info, record.status)
        message, fix = reason["message"], reason["fix"]
        if code == "merged" and merged_into:
            message = f"It was merged into {merged_into} in {info.name}."
            fix = f"Unlink this audITee, and link it to {merged_into} or import that one."
        yield IssueReport(
            kind="company",
            code=code,
            message=message,
            fix=fix,
            external_id=record.external_id,
            name=record.name,
            company_external_id=record.external_id,
        )


def _apply_names(
    integration: Integration, paired: Sequence[tuple[CompanyLink, PsaCompanyRecord]], now: datetime
) -> None:
    names = {link.company_id: record.name for link, record in paired}
    companies = Company.objects.filter(AnyOf("id", names), tenant=integration.tenant_id)
    renamed = [company for company in companies if company.name != names[company.pk]]
    if renamed:
        keep_former_names(integration.tenant, {company.pk: company.name for company in renamed})
    for company in renamed:
        company.name, company.updated_at = names[company.pk], now
    Company.objects.bulk_update(renamed, ["name", "updated_at"])
    given = {company.pk: company.name for company in renamed}
    renaming = [link for link, _ in paired if link.company_id in given]
    for link in renaming:
        link.given_name = given[link.company_id]
    CompanyLink.objects.bulk_update(renaming, ["given_name"])


def _apply_contacts(
    integration: Integration,
    paired: Sequence[tuple[CompanyLink, PsaCompanyRecord]],
    people: Mapping[str, Sequence[PsaContactRecord]],
    now: datetime,
) -> None:
    ours = Contact.objects.filter(
        AnyOf("company_id", [link.company_id for link, _ in paired]), tenant=integration.tenant_id
    )
    changes = store(
        Contact,
        existing=ours.exclude(external_id=""),
        incoming=[
            contact_values(person, link.company_id)
            for link, _ in paired
            for person in people.get(link.external_id, ())
        ],
        key=("company_id", "external_id"),
        now=now,
        owner={"tenant_id": integration.tenant_id},
        needed=("is_primary",),
        complete=True,
    )
    _apply_primary(integration, paired, changes, now)


def _apply_primary(
    integration: Integration,
    paired: Sequence[tuple[CompanyLink, PsaCompanyRecord]],
    changes: Changes[Contact],
    now: datetime,
) -> None:
    """Make the primary contact of each company the one that a person chose, else the one that the
    import list has chosen.

    A contact that is gone is nobody's primary contact. Where none is chosen, the rest stays.
    """
    tenant = integration.tenant
    if left := [change.row.pk for change in changes.written if change.kind == "gone"]:
        ours = Contact.objects.for_tenant(tenant).filter(AnyOf("id", left))
        ours.filter(is_primary=True).update(is_primary=False)
        primary.end_choices(tenant, left, now)
    if not _to_move(integration, paired, changes):
        return
    primary.lock_companies(tenant, [link.company_id for link, _ in paired])
    if wanted := _to_move(integration, paired, changes):  # somebody may have chosen meanwhile
        primary.move_primary(tenant, wanted)


def _to_move(
    integration: Integration,
    paired: Sequence[tuple[CompanyLink, PsaCompanyRecord]],
    changes: Changes[Contact],
) -> dict[UUID, UUID]:
    """By company, who becomes its primary contact and is not yet."""
    companies = [link.company_id for link, _ in paired]
    choices = primary.choices_that_hold(integration.tenant, companies)
    wanted = {}
    for link, record in paired:
        if chosen := choices.get(link.company_id):
            if not chosen.is_primary:
                wanted[link.company_id] = chosen.contact
            continue
        by_rule = changes.rows.get((link.company_id, record.primary_contact_id))
        if by_rule is not None and not by_rule.is_primary:
            wanted[link.company_id] = by_rule.pk
    return wanted
