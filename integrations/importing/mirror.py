"""The import list: the PSA's companies with what our rules say about each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit_site.db.bulk import AnyOf, bulk_upsert
from audit_site.db.folded_text import folded
from integrations.importing.record_store import Changes, store
from integrations.importing.rules import CompanyFacts, broken_rules
from integrations.models import Integration, PsaCompanyRecord, PsaContactRecord
from integrations.psa.contract import PsaCompany, PsaContact


def store_companies(
    integration: Integration, companies: Sequence[PsaCompany], now: datetime
) -> Changes[PsaCompanyRecord]:
    """Store companies as the PSA shows them, by id."""
    ids = [company.external_id for company in companies]
    return store(
        PsaCompanyRecord,
        existing=PsaCompanyRecord.objects.of(integration).filter(AnyOf("external_id", ids)),
        incoming=[_company_values(company) for company in companies],
        key=("external_id",),
        now=now,
        owner={"tenant_id": integration.tenant_id, "integration_id": integration.pk},
        extra={"seen_at": now, "merged_into": ""},
    )


def _company_values(company: PsaCompany) -> dict[str, Any]:
    return {
        "external_id": company.external_id,
        "name": company.name,
        "search_text": folded(f"{company.name} {company.external_id}")[:400],
        "status": company.status[:100],
        "type": company.type[:255],
        "is_active": company.is_active,
        "is_deleted": company.is_deleted,
        "is_merged": company.is_merged,
        "is_own": company.is_own,
        "default_contact_id": company.default_contact_id,
        "url": company.url[:500],
        "changed_at": company.changed_at,
    }


def store_contacts(
    integration: Integration, contacts: Sequence[PsaContact], now: datetime
) -> Changes[PsaContactRecord]:
    """Store contacts as the PSA shows them, by id."""
    ids = [contact.external_id for contact in contacts]
    return store(
        PsaContactRecord,
        existing=PsaContactRecord.objects.of(integration).filter(AnyOf("external_id", ids)),
        incoming=[_contact_values(contact) for contact in contacts],
        key=("external_id",),
        now=now,
        owner={"tenant_id": integration.tenant_id, "integration_id": integration.pk},
    )


def _contact_values(contact: PsaContact) -> dict[str, Any]:
    return {
        "external_id": contact.external_id,
        "company_external_id": contact.company_id,
        "first_name": contact.first_name,
        "last_name": contact.last_name,
        "email": contact.email[:254],
        "phone": contact.phone[:100],
        "is_active": contact.is_active,
        "is_default": contact.is_default,
        "changed_at": contact.changed_at,
    }


@dataclass(frozen=True, slots=True)
class Checked:
    """PSA companies as the rules found them, by id, and who works there."""

    companies: dict[str, PsaCompanyRecord]
    contacts: dict[str, list[PsaContactRecord]]


def apply_rules(integration: Integration, external_ids: Sequence[str]) -> Checked:
    """Recount contacts, choose the primary one and check the rules for these companies.

    Two reads and, where something differs, one write.
    """
    contacts: dict[str, list[PsaContactRecord]] = defaultdict(list)
    people = PsaContactRecord.objects.of(integration).present()
    people = people.filter(AnyOf("company_external_id", external_ids))
    for contact in people.defer("fingerprint", "changed_at").order_by("id"):
        contacts[contact.company_external_id].append(contact)
    companies = PsaCompanyRecord.objects.of(integration).filter(AnyOf("external_id", external_ids))
    checked = Checked({record.external_id: record for record in companies}, contacts)
    info = integration.psa_info
    differing = []
    for record in checked.companies.values():
        staff = contacts[record.external_id]
        active = [person for person in staff if person.is_active]
        reachable = [person for person in active if person.email or person.phone]
        facts = CompanyFacts(
            is_active=record.is_active,
            is_deleted=record.is_deleted,
            is_merged=record.is_merged,
            is_own=record.is_own,
            is_gone=record.gone_at is not None,
            contacts=len(staff),
            active_contacts=len(active),
            reachable_contacts=len(reachable),
        )
        codes = broken_rules(facts, info)
        outcome = {
            "contact_count": len(staff),
            "active_contact_count": len(active),
            "reachable_contact_count": len(reachable),
            "primary_contact_id": _primary_contact_id(record, reachable),
            "rule_codes": codes,
            "importable": not codes,
        }
        if any(getattr(record, name) != value for name, value in outcome.items()):
            for name, value in outcome.items():
                setattr(record, name, value)
            differing.append(record)
    bulk_upsert(PsaCompanyRecord, differing)
    return checked


def _primary_contact_id(record: PsaCompanyRecord, reachable: list[PsaContactRecord]) -> str:
    """The PSA's own default contact when it is active and reachable, else the first that is."""
    for person in reachable:
        if person.external_id == record.default_contact_id:
            return person.external_id
    for person in reachable:
        if person.is_default:
            return person.external_id
    return reachable[0].external_id if reachable else ""
