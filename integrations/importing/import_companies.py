"""Bringing PSA companies in as audITees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import transaction

from audit_site import limits
from audit_site.db.bulk import bulk_upsert
from audit_site.errors import DomainError
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from companies.models import Company, Contact
from companies.services import Licence, lock_licence
from integrations.importing.ignoring import end_ignoring
from integrations.importing.record_store import contact_values, fingerprint
from integrations.importing.rules import explain
from integrations.importing.said_words import company_type_of, company_words
from integrations.models import (
    CompanyLink,
    Integration,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncRun,
)
from integrations.psa.contract import PsaInfo
from integrations.runs.starting import start_import_run

MOST_IDS = 500
#: PSA companies, each with the audITee that is made of it.
Pairs = Sequence[tuple[PsaCompanyRecord, Company]]


@dataclass(frozen=True, slots=True)
class RejectedImport:
    external_id: str
    code: str
    message: str


@dataclass(slots=True)
class ImportResult:
    """The companies that are in audIT now, why others are not, and the run that reads their
    agreements. `made` are those that were not there before, by the PSA's id.
    """

    imported: list[Company] = field(default_factory=list)
    made: dict[str, Company] = field(default_factory=dict)
    rejected: list[RejectedImport] = field(default_factory=list)
    sync_run: SyncRun | None = None


@transaction.atomic
def import_companies(
    *, integration: Integration, external_ids: Sequence[str], actor: User | None
) -> ImportResult:
    """Import what a person chose, at most MOST_IDS at once; it counts as one import of an hour."""
    if len(external_ids) > MOST_IDS:
        raise DomainError(
            "too_many_ids",
            f"At most {MOST_IDS} companies can be imported at once.",
            "Import them in several steps.",
            status=400,
        )
    integration.refuse_disconnected()
    limits.spend(integration.tenant, limits.IMPORTS)
    return bring_in(integration=integration, external_ids=external_ids, actor=actor)


@transaction.atomic
def bring_in(
    *, integration: Integration, external_ids: Sequence[str], actor: User | None
) -> ImportResult:
    """Create and link an audITee for each PSA company that the rules and the licence allow.

    What is linked already counts as imported and creates nothing. Contacts come from the import
    list at once; the agreements follow by the run that this starts.
    """
    integration.refuse_disconnected()
    allowance = lock_licence(integration.tenant)
    wanted = list(dict.fromkeys(external_ids))
    result = ImportResult()
    chosen = _choose(integration, wanted, allowance, result)
    if chosen:
        _create_companies(integration, chosen, actor, result)
        result.sync_run = start_import_run(
            integration=integration,
            external_ids=[record.external_id for record in chosen],
            actor=actor,
        )
        end_ignoring(integration, [row.external_id for row in chosen if row.ignored_at])
    return result


def _choose(
    integration: Integration, wanted: list[str], allowance: Licence, result: ImportResult
) -> list[PsaCompanyRecord]:
    records = {
        record.external_id: record
        for record in PsaCompanyRecord.objects.of(integration).filter(external_id__in=wanted)
    }
    linked = {
        link.external_id: link.company
        for link in CompanyLink.objects.of(integration)
        .in_force()
        .filter(external_id__in=wanted)
        .select_related("company")
    }
    info = integration.psa_info
    chosen: list[PsaCompanyRecord] = []
    for external_id in wanted:
        record = records.get(external_id)
        if external_id in linked:
            result.imported.append(linked[external_id])
        elif record is None:
            result.rejected.append(_rejected(external_id, "unknown_company", info))
        elif record.rule_codes:
            code = record.rule_codes[0]
            result.rejected.append(_rejected(external_id, code, info, record.status))
        elif len(chosen) >= allowance.free:
            result.rejected.append(_rejected(external_id, "licence_exceeded", info))
        else:
            chosen.append(record)
    return chosen


def _rejected(external_id: str, code: str, info: PsaInfo, status: str = "") -> RejectedImport:
    reason = explain(code, info, status)
    return RejectedImport(external_id, code, f"{reason['message']} {reason['fix']}")


def _create_companies(
    integration: Integration,
    chosen: list[PsaCompanyRecord],
    actor: User | None,
    result: ImportResult,
) -> None:
    words = company_words(integration)
    companies = [
        Company(
            tenant_id=integration.tenant_id,
            name=record.name,
            type=company_type_of(words, record.type),
        )
        for record in chosen
    ]
    bulk_upsert(Company, companies)
    pairs = list(zip(chosen, companies, strict=True))
    _create_links(integration, pairs, actor)
    _create_contacts(integration, pairs)
    record_audit(
        tenant=integration.tenant,
        actor=actor,
        action="companies.imported",
        subject=integration,
        after={"companies": [company.pk for company in companies]},
    )
    result.imported += companies
    result.made = {record.external_id: company for record, company in pairs}


def _create_links(integration: Integration, pairs: Pairs, actor: User | None) -> None:
    links = [
        CompanyLink(
            tenant_id=integration.tenant_id,
            integration=integration,
            company=company,
            external_id=record.external_id,
            linked_by=actor,
        )
        for record, company in pairs
    ]
    bulk_upsert(CompanyLink, links)


def _create_contacts(integration: Integration, pairs: Pairs) -> None:
    pair_of = {record.external_id: (record, company) for record, company in pairs}
    people = PsaContactRecord.objects.of(integration).present()
    people = people.filter(company_external_id__in=pair_of).order_by("id")
    contacts = []
    for person in people:
        record, company = pair_of[person.company_external_id]
        values = contact_values(person, company.pk)
        contacts.append(
            Contact(
                tenant_id=integration.tenant_id,
                **values,
                fingerprint=fingerprint(values),
                is_primary=person.external_id == record.primary_contact_id,
            )
        )
    bulk_upsert(Contact, contacts)
