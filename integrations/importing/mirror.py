"""Writing the import list: the PSA's companies and contacts, and what the rules say of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from audit_site.db.bulk import AnyOf, bulk_upsert
from audit_site.db.folded_text import folded
from audit_site.db.lengths import fitted
from integrations.importing.forgotten import forgotten_among
from integrations.importing.record_store import Changes, Values, store, values_of
from integrations.importing.rules import broken_rules, facts_of
from integrations.importing.said_words import CompanyWords, company_words
from integrations.models import Integration, PsaCompanyRecord, PsaContactRecord
from integrations.psa.contract import PsaCompany, PsaContact, PsaInfo


def store_companies(
    integration: Integration, companies: Sequence[PsaCompany], now: datetime
) -> Changes[PsaCompanyRecord]:
    """Store companies as the PSA shows them, by id."""
    ids = [company.external_id for company in companies]
    forgotten = forgotten_among(integration, {one.default_contact_id for one in companies})
    return store(
        PsaCompanyRecord,
        existing=PsaCompanyRecord.objects.of(integration).filter(AnyOf("external_id", ids)),
        incoming=[_company_values(company, forgotten) for company in companies],
        key=("external_id",),
        now=now,
        owner={"tenant_id": integration.tenant_id, "integration_id": integration.pk},
        extra={"seen_at": now, "merged_into": ""},
    )


def _company_values(company: PsaCompany, forgotten: Collection[str]) -> Values:
    return {
        **values_of(company, PsaCompanyRecord),
        "search_text": _search_text(company),
        **({"default_contact_id": ""} if company.default_contact_id in forgotten else {}),
    }


def _search_text(company: PsaCompany) -> str:
    """Name and id without case and accents."""
    return fitted(PsaCompanyRecord, "search_text", folded(f"{company.name} {company.external_id}"))


def store_contacts(
    integration: Integration, contacts: Sequence[PsaContact], now: datetime
) -> Changes[PsaContactRecord]:
    """Store contacts as the PSA shows them, by id."""
    ids = [contact.external_id for contact in contacts]
    return store(
        PsaContactRecord,
        existing=PsaContactRecord.objects.of(integration).filter(AnyOf("external_id", ids)),
        incoming=[values_of(contact, PsaContactRecord) for contact in contacts],
        key=("external_id",),
        now=now,
        owner={"tenant_id": integration.tenant_id, "integration_id": integration.pk},
    )


def as_stored(
    integration: Integration, company: PsaCompany, people: Sequence[PsaContact]
) -> tuple[PsaCompanyRecord, list[PsaContactRecord]]:
    """What storing a company and all of its contacts would come to; nothing is stored."""
    shown = {person.external_id: person for person in people}
    forgotten = forgotten_among(integration, {*shown, company.default_contact_id})
    rows = PsaContactRecord.objects.of(integration).filter(AnyOf("external_id", shown))
    first = dict.fromkeys(rows.order_by("id").values_list("external_id", flat=True))
    order = [id_ for id_ in {**first, **dict.fromkeys(shown)} if id_ not in forgotten]
    record = PsaCompanyRecord(integration=integration, **_company_values(company, forgotten))
    contacts = (values_of(shown[id_], PsaContactRecord) for id_ in order)
    return record, [PsaContactRecord(integration=integration, **values) for values in contacts]


@dataclass(frozen=True, slots=True)
class Checked:
    """PSA companies as the rules found them, by id, and who works there."""

    companies: dict[str, PsaCompanyRecord]
    contacts: dict[str, list[PsaContactRecord]]


def apply_rules(integration: Integration, external_ids: Sequence[str]) -> Checked:
    """Recount contacts, choose the primary one and check the rules for these companies.

    Three reads and, where something differs, one write.
    """
    companies = PsaCompanyRecord.objects.of(integration).filter(AnyOf("external_id", external_ids))
    contacts = _contacts_of(integration, external_ids)
    checked = Checked({record.external_id: record for record in companies}, contacts)
    info, words = integration.psa_info, company_words(integration)
    differing = [
        record
        for record in checked.companies.values()
        if _note_outcome(record, contacts[record.external_id], info, words)
    ]
    bulk_upsert(PsaCompanyRecord, differing)
    return checked


def _contacts_of(
    integration: Integration, company_ids: Sequence[str]
) -> dict[str, list[PsaContactRecord]]:
    """The contacts of these companies that are not gone, in the order in which they were found."""
    contacts: dict[str, list[PsaContactRecord]] = defaultdict(list)
    people = PsaContactRecord.objects.of(integration).present()
    people = people.filter(AnyOf("company_external_id", company_ids))
    for contact in people.defer("fingerprint", "changed_at").order_by("id"):
        contacts[contact.company_external_id].append(contact)
    return contacts


def _note_outcome(
    record: PsaCompanyRecord,
    contacts: Sequence[PsaContactRecord],
    info: PsaInfo,
    words: CompanyWords,
) -> bool:
    """Set on a company what the rules find; whether that differs from what was there."""
    facts = facts_of(record, contacts, words)
    codes = broken_rules(facts, info)
    outcome = {
        "contact_count": facts.contacts,
        "active_contact_count": facts.active_contacts,
        "reachable_contact_count": facts.reachable_contacts,
        "primary_contact_id": facts.primary_contact_id,
        "rule_codes": codes,
        "importable": not codes,
    }
    differs = any(getattr(record, name) != value for name, value in outcome.items())
    for name, value in outcome.items():
        setattr(record, name, value)
    return differs
