"""Bringing PSA companies in as audITees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from django.db import transaction

from audit_site import limits
from audit_site.db.bulk import AnyOf, bulk_upsert
from audit_site.db.each_by_itself import OUR_FAULT, all_that_can
from audit_site.errors import DomainError
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from companies.models import Company, Contact
from companies.primary import keep_choices
from companies.services import Licence, lock_licence
from integrations.importing.ignoring import end_ignoring
from integrations.importing.record_store import contact_values, fingerprint
from integrations.importing.rules import REASONS, explain, has_method
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
UNKNOWN_CONTACT = "unknown_contact"
#: Codes of what is not imported.
REJECTIONS = (*REASONS, UNKNOWN_CONTACT, OUR_FAULT.code)
#: PSA companies, each with the audITee that is made of it.
Pairs = Sequence[tuple[PsaCompanyRecord, Company]]


@dataclass(frozen=True, slots=True)
class ImportChoice:
    """What a person chose for a company that is imported; "" = as the rules have it.

    `primary_contact` is the PSA's id of one of its contacts.
    """

    external_id: str
    primary_contact: str = ""
    type: str = ""


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

    def add(self, more: ImportResult) -> None:
        """What came of others, before the run that reads all of them is started."""
        self.imported += more.imported
        self.made |= more.made
        self.rejected += more.rejected


@transaction.atomic
def import_companies(
    *,
    integration: Integration,
    external_ids: Sequence[str],
    actor: User | None,
    choices: Sequence[ImportChoice] = (),
) -> ImportResult:
    """Import what a person chose, at most MOST_IDS at once; it counts as one import of an hour.

    One that meets an error of ours is rejected by itself (`internal_error`); the others come.
    """
    if len(external_ids) > MOST_IDS:
        raise DomainError(
            "too_many_ids",
            f"At most {MOST_IDS} companies can be imported at once.",
            "Import them in several steps.",
            status=400,
        )
    integration.refuse_disconnected()
    limits.spend(integration.tenant, limits.IMPORTS)
    result = ImportResult()

    def failed(ids: Sequence[str], error: DomainError) -> None:
        if error is not OUR_FAULT:
            raise error
        result.rejected += [RejectedImport(id_, error.code, error.sentence) for id_ in ids]

    all_that_can(
        list(dict.fromkeys(external_ids)),
        lambda some: result.add(_create(integration, some, actor, choices)),
        failed,
        f"an import of {integration.pk}",
    )
    _start_reading(integration, result, actor)
    return result


@transaction.atomic
def bring_in(
    *,
    integration: Integration,
    external_ids: Sequence[str],
    actor: User | None,
    choices: Sequence[ImportChoice] = (),
) -> ImportResult:
    """Create and link an audITee for each PSA company that the rules and the licence allow.

    What is linked already counts as imported and creates nothing. Contacts come from the import
    list at once; the agreements follow by the run that this starts. `choices` are about some of
    `external_ids`, one each: a primary contact that can't be it rejects its company.
    """
    integration.refuse_disconnected()
    result = _create(integration, list(dict.fromkeys(external_ids)), actor, choices)
    _start_reading(integration, result, actor)
    return result


def _create(
    integration: Integration,
    wanted: Sequence[str],
    actor: User | None,
    choices: Sequence[ImportChoice],
) -> ImportResult:
    allowance = lock_licence(integration.tenant)
    result = ImportResult()
    chosen = Chosen(integration, {choice.external_id: choice for choice in choices})
    _choose(chosen, wanted, allowance, result)
    if chosen.records:
        _create_companies(chosen, actor, result)
        ignored = [row.external_id for row in chosen.records if row.ignored_at]
        end_ignoring(integration, ignored)
    return result


def _start_reading(integration: Integration, result: ImportResult, actor: User | None) -> None:
    if result.made:
        result.sync_run = start_import_run(
            integration=integration, external_ids=list(result.made), actor=actor
        )


@dataclass
class Chosen:
    """What is imported: rows of the import list, who works there, and what was chosen for them."""

    integration: Integration
    choices: dict[str, ImportChoice]
    records: list[PsaCompanyRecord] = field(default_factory=list)

    @cached_property
    def people(self) -> dict[str, PsaContactRecord]:
        """The contacts that were chosen, by their ids."""
        ids = {choice.primary_contact for choice in self.choices.values()} - {""}
        rows = PsaContactRecord.objects.of(self.integration).present()
        found = rows.filter(AnyOf("external_id", ids)) if ids else ()
        return {person.external_id: person for person in found}

    def choice_of(self, external_id: str) -> ImportChoice:
        return self.choices.get(external_id) or ImportChoice(external_id)

    def primary_of(self, record: PsaCompanyRecord) -> str:
        """The id of the contact that becomes the primary one."""
        chosen = self.choice_of(record.external_id).primary_contact
        return chosen or record.primary_contact_id


def _choose(
    chosen: Chosen, wanted: Sequence[str], allowance: Licence, result: ImportResult
) -> None:
    integration = chosen.integration
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
    for external_id in wanted:
        record = records.get(external_id)
        if external_id in linked:
            result.imported.append(linked[external_id])
        elif record is None:
            result.rejected.append(_rejected(external_id, "unknown_company", info))
        elif record.rule_codes:
            code = record.rule_codes[0]
            result.rejected.append(_rejected(external_id, code, info, record.status))
        elif refused := _refused_contact(chosen, external_id):
            result.rejected.append(refused)
        elif len(chosen.records) >= allowance.free:
            result.rejected.append(_rejected(external_id, "licence_exceeded", info))
        else:
            chosen.records.append(record)


def _refused_contact(chosen: Chosen, external_id: str) -> RejectedImport | None:
    """Why the contact that was chosen for a company can't be its primary one; None = it can."""
    wanted, info = chosen.choice_of(external_id).primary_contact, chosen.integration.psa_info
    person = chosen.people.get(wanted)
    if not wanted:
        return None
    if person is None or person.company_external_id != external_id:
        message = (
            f"{info.name} showed no contact with the chosen id at this company. Choose another "
            "contact, or press Sync Now."
        )
        return RejectedImport(external_id, UNKNOWN_CONTACT, message)
    if not person.is_active:
        message = f"{person}, whom you chose, is inactive in {info.name}. Choose another contact."
        return RejectedImport(external_id, "contact_inactive", message)
    if not has_method(person):
        message = (
            f"{person}, whom you chose, has no e-mail address and no phone number in {info.name}. "
            "Choose another contact."
        )
        return RejectedImport(external_id, "contact_without_method", message)
    return None


def _rejected(external_id: str, code: str, info: PsaInfo, status: str = "") -> RejectedImport:
    reason = explain(code, info, status)
    return RejectedImport(external_id, code, f"{reason['message']} {reason['fix']}")


def _create_companies(chosen: Chosen, actor: User | None, result: ImportResult) -> None:
    integration = chosen.integration
    words = company_words(integration)
    companies = [
        Company(
            tenant_id=integration.tenant_id,
            name=record.name,
            type=chosen.choice_of(record.external_id).type or company_type_of(words, record.type),
        )
        for record in chosen.records
    ]
    bulk_upsert(Company, companies)
    pairs = list(zip(chosen.records, companies, strict=True))
    _create_links(integration, pairs, actor)
    _create_contacts(chosen, pairs, actor)
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


def _create_contacts(chosen: Chosen, pairs: Pairs, actor: User | None) -> None:
    integration = chosen.integration
    pair_of = {record.external_id: (record, company) for record, company in pairs}
    people = PsaContactRecord.objects.of(integration).present()
    people = people.filter(company_external_id__in=pair_of).order_by("id")
    contacts, by_hand = [], []
    for person in people:
        record, company = pair_of[person.company_external_id]
        values = contact_values(person, company.pk)
        is_primary = person.external_id == chosen.primary_of(record)
        contact = Contact(
            tenant_id=integration.tenant_id,
            **values,
            fingerprint=fingerprint(values),
            is_primary=is_primary,
        )
        contacts.append(contact)
        if is_primary and chosen.choice_of(record.external_id).primary_contact:
            by_hand.append((company, contact))
    bulk_upsert(Contact, contacts)
    if by_hand:
        keep_choices(integration.tenant, by_hand, actor)
