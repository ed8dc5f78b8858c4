"""Bringing PSA companies in as audITees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import transaction

from audit_site.db.bulk import bulk_upsert
from audit_site.errors import DomainError
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from companies.models import Company, Contact
from companies.services import Licence, lock_licence
from integrations.importing.record_store import contact_values, fingerprint
from integrations.importing.rules import explain
from integrations.models import (
    CompanyLink,
    Integration,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncRun,
)
from integrations.runs.starting import start_import_run

MOST_IDS = 500


@dataclass(frozen=True, slots=True)
class RejectedImport:
    external_id: str
    code: str
    message: str


@dataclass(slots=True)
class ImportResult:
    """The companies that are in audIT now, why others are not, and the run that reads their
    agreements.
    """

    imported: list[Company] = field(default_factory=list)
    rejected: list[RejectedImport] = field(default_factory=list)
    sync_run: SyncRun | None = None


@transaction.atomic
def import_companies(
    *, integration: Integration, external_ids: Sequence[str], actor: User | None
) -> ImportResult:
    """Create and link an audITee for each chosen PSA company that the rules and the licence allow.

    What is linked already counts as imported and creates nothing. Contacts come from the import
    list at once; the agreements follow by the run that this starts.
    """
    integration.refuse_disconnected()
    if len(external_ids) > MOST_IDS:
        raise DomainError(
            "too_many_ids",
            f"At most {MOST_IDS} companies can be imported at once.",
            "Import them in several steps.",
            status=400,
        )
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
    name = integration.psa_info.name
    chosen: list[PsaCompanyRecord] = []
    for external_id in wanted:
        record = records.get(external_id)
        if external_id in linked:
            result.imported.append(linked[external_id])
        elif record is None:
            result.rejected.append(_rejected(external_id, "unknown_company", name))
        elif record.rule_codes:
            result.rejected.append(_rejected(external_id, record.rule_codes[0], name))
        elif len(chosen) >= allowance.free:
            result.rejected.append(_rejected(external_id, "licence_exceeded", name))
        else:
            chosen.append(record)
    return chosen


def _rejected(external_id: str, code: str, psa_name: str) -> RejectedImport:
    reason = explain(code, psa_name)
    return RejectedImport(external_id, code, f"{reason['message']} {reason['fix']}")


def _create_companies(
    integration: Integration,
    chosen: list[PsaCompanyRecord],
    actor: User | None,
    result: ImportResult,
) -> None:
    tenant_id = integration.tenant_id
    companies = [Company(tenant_id=tenant_id, name=record.name) for record in chosen]
    bulk_upsert(Company, companies)
    company_of = {
        record.external_id: company for record, company in zip(chosen, companies, strict=True)
    }
    links = [
        CompanyLink(
            tenant_id=tenant_id,
            integration=integration,
            company=company,
            external_id=external_id,
            linked_by=actor,
        )
        for external_id, company in company_of.items()
    ]
    bulk_upsert(CompanyLink, links)
    primary = {record.external_id: record.primary_contact_id for record in chosen}
    people = (
        PsaContactRecord.objects.of(integration)
        .present()
        .filter(company_external_id__in=company_of)
        .order_by("id")
    )
    contacts = []
    for person in people:
        values = contact_values(person, company_of[person.company_external_id].pk)
        contacts.append(
            Contact(
                tenant_id=tenant_id,
                **values,
                fingerprint=fingerprint(values),
                is_primary=person.external_id == primary[person.company_external_id],
            )
        )
    bulk_upsert(Contact, contacts)
    record_audit(
        tenant=integration.tenant,
        actor=actor,
        action="companies.imported",
        subject=integration,
        companies=[str(company.pk) for company in companies],
    )
    result.imported += companies
