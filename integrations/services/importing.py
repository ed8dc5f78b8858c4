"""Bringing PSA companies in as audITees, and finding out why one is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction

from audit_site.db.bulk import bulk_upsert
from audit_site.errors import DomainError
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from companies.models import Company, Contact
from companies.services import Licence, licence, lock_licence
from integrations.models import (
    CompanyLink,
    Integration,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncRun,
)
from integrations.psa.contract import PsaAdapter, PsaCompany, PsaContact, RejectedRecord
from integrations.services.import_rules import explain
from integrations.services.linked_records import contact_values
from integrations.services.psa_access import info_of, open_adapter
from integrations.services.records import fingerprint
from integrations.services.runs import refuse_disconnected, start_import_run

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
    refuse_disconnected(integration)
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
    scope = {"tenant": integration.tenant_id, "integration": integration}
    records = {
        record.external_id: record
        for record in PsaCompanyRecord.objects.filter(**scope, external_id__in=wanted)
    }
    linked = {
        link.external_id: link.company
        for link in CompanyLink.objects.filter(
            **scope, external_id__in=wanted, unlinked_at=None
        ).select_related("company")
    }
    name = info_of(integration).name
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
    people = PsaContactRecord.objects.filter(
        tenant=tenant_id,
        integration=integration,
        company_external_id__in=company_of,
        gone_at=None,
    ).order_by("id")
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


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Whether a PSA company could be imported right now, and each check on the way."""

    importable: bool
    checks: list[dict[str, Any]]


def diagnose(*, integration: Integration, external_id: str) -> Diagnosis:
    """Ask the PSA right now why a company is missing. HTTP, outside any transaction."""
    refuse_disconnected(integration)
    info = info_of(integration)
    with open_adapter(integration) as adapter:
        found = adapter.company(external_id)
        company = found if isinstance(found, PsaCompany) else None
        people = _contacts_of(adapter, external_id) if company else []
    active = [person for person in people if person.is_active]
    reachable = [person for person in active if person.email or person.phone]
    outcomes = {
        "exists": "" if company else "unknown_company",
        "active": "",
        "has_contact": "" if active else ("contact_inactive" if people else "no_contact"),
        "has_contact_method": "" if reachable else "contact_without_method",
        "licence": "" if licence(integration.tenant).free else "licence_exceeded",
    }
    if company is not None:
        outcomes["exists"] = (
            "own_company"
            if company.is_own
            else "merged"
            if company.is_merged
            else "deleted"
            if company.is_deleted
            else ""
        )
        if info.only_active_importable and not company.is_active:
            outcomes["active"] = "inactive"
    checks = [_diagnosis_check(name, code, info.name) for name, code in outcomes.items()]
    if company is None:
        for check in checks[1:4]:
            check |= {"ok": False, "code": "unknown_company", "message": "", "fix": ""}
    if isinstance(found, RejectedRecord):
        send = f"Look again later. If it stays, send this to us: {settings.HELP_EMAIL}."
        fix = f"Correct it in {info.name}, then look again." if found.can_mend else send
        checks[0] |= {"code": found.code, "message": found.message, "fix": fix}
    return Diagnosis(importable=all(check["ok"] for check in checks), checks=checks)


def _contacts_of(adapter: PsaAdapter, external_id: str) -> list[PsaContact]:
    pages = adapter.contacts(company_ids=[external_id])
    return [person for page in pages for person in page.records]


def _diagnosis_check(name: str, code: str, psa_name: str) -> dict[str, Any]:
    if not code:
        return {"name": name, "ok": True, "code": "ok", "message": PASSED[name], "fix": ""}
    return {"name": name, "ok": False, **explain(code, psa_name)}


PASSED = {
    "exists": "The PSA has this company.",
    "active": "Its status does not stand in the way.",
    "has_contact": "It has an active contact.",
    "has_contact_method": "A contact can be reached by e-mail or phone.",
    "licence": "Your licence has room for it.",
}
