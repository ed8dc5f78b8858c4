"""An audITee beside the record of a PSA that it is taken for: what a link would change.

The answer is JSON, `Comparison`, which is kept with the preview and shown by page and REST.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from agreements import books
from agreements.figures import Part, Total, totals_of
from agreements.models import Agreement
from companies.models import Company, Contact
from integrations.importing.mirror import as_stored
from integrations.importing.rules import REASONS, Reason, broken_rules, explain, facts_of
from integrations.importing.said_words import company_words
from integrations.links.changes import Change, Person, changes_of, person_of
from integrations.links.doubts import Side, doubts
from integrations.links.following import take_place
from integrations.links.shown_book import book_with
from integrations.models import CompanyLink, Integration, PsaContactRecord
from integrations.psa.contract import PsaAgreement, PsaCompany, PsaContact
from integrations.psa.errors import PsaRefused

#: Every code of a warning beside those of the import rules.
WARNINGS = (
    "names_differ",
    "nothing_in_common",
    "lines_refused",
    "records_set_aside",
    "no_agreements",
    "other_currency",
    "former_agreements_end",
    "typed_set_aside",
    "archived",
    "already_linked",
)
WARNING_CODES = (*WARNINGS, *(code for code in REASONS if code not in WARNINGS))


class SideShown(TypedDict):
    """One of the two sides. Of ours `external_id`, `status` and `url` are ""."""

    external_id: str
    name: str
    type: str
    status: str
    url: str
    primary_contact: Person | None
    contacts: int
    agreements: int


class BeforeAfter(TypedDict):
    before: list[Total]
    after: list[Total]


class Comparison(TypedDict):
    ours: SideShown
    theirs: SideShown
    changes: list[Change]
    mrr: BeforeAfter
    agreements: int
    contacts: int
    warnings: list[Reason]


@dataclass(slots=True)
class Shown:
    """What a PSA showed of one company just now. `refused`: of lines; `rejected`: how many records
    could not be used.
    """

    company: PsaCompany
    people: list[PsaContact] = field(default_factory=list)
    agreements: list[PsaAgreement] = field(default_factory=list)
    refused: PsaRefused | None = None
    rejected: int = 0


def compare(company: Company, integration: Integration, shown: Shown) -> Comparison:
    """What linking them would change, as of today. Reads our side; asks nobody."""
    today = company.tenant.today()
    before = totals_of([Part(books.prepare_company(company.tenant, company.pk))], today)
    link = CompanyLink(
        tenant=company.tenant,
        integration=integration,
        company=company,
        external_id=shown.company.external_id,
    )
    take_place([link])
    after = totals_of([Part(book_with(link, shown.agreements))], today)
    record, contacts = as_stored(integration, shown.company, shown.people)
    facts = facts_of(record, contacts, company_words(integration))
    ours = side_of(company)
    theirs = _their_side(shown, contacts, facts.primary_contact_id)
    money: BeforeAfter = {"before": before, "after": after}
    info = integration.psa_info
    people = Contact.objects.for_tenant(company.tenant).filter(company=company, gone_at=None)
    warnings = [
        *doubts(_side(company.name, people), _side(record.name, contacts), info.name),
        *(explain(code, info, shown.company.status) for code in broken_rules(facts, info)),
        *_of_record(company, integration, shown),
        *_of_money(company, integration, shown, money),
    ]
    return {
        "ours": ours,
        "theirs": theirs,
        "changes": changes_of(company, record.name, contacts, facts.primary_contact_id),
        "mrr": money,
        "agreements": len(shown.agreements),
        "contacts": len(contacts),
        "warnings": warnings,
    }


def side_of(company: Company) -> SideShown:
    """Our side. Two statements."""
    rows = Agreement.objects.for_tenant(company.tenant).filter(company=company, gone_at=None)
    return {
        "external_id": "",
        "name": company.name,
        "type": company.type,
        "status": "",
        "url": "",
        "primary_contact": person_of(company.primary) if company.primary else None,
        "contacts": len(company.people),
        "agreements": rows.count(),
    }


def _their_side(shown: Shown, people: Sequence[PsaContactRecord], primary_id: str) -> SideShown:
    record = shown.company
    return {
        "external_id": record.external_id,
        "name": record.name,
        "type": record.type,
        "status": record.status,
        "url": record.url,
        "primary_contact": next(
            (person_of(one) for one in people if one.external_id == primary_id), None
        ),
        "contacts": len(people),
        "agreements": len(shown.agreements),
    }


def _side(name: str, people: Iterable[Contact | PsaContactRecord]) -> Side:
    found = list(people)
    return Side(name, [one.email for one in found], [one.phone for one in found])


def _of_record(company: Company, integration: Integration, shown: Shown) -> list[Reason]:
    """What is to be known of the record and of the audITee besides whether they are the same."""
    warnings: list[Reason] = []
    links = CompanyLink.objects.of(integration).in_force()
    link = links.filter(external_id=shown.company.external_id).select_related("company").first()
    if link is not None and link.company_id != company.pk:
        message = f"“{shown.company.name}” is linked to “{link.company.name}” already."
        fix = "Unlink it there first, if that link is the wrong one."
        warnings.append({"code": "already_linked", "message": message, "fix": fix})
    if company.status == Company.Status.ARCHIVED:
        message = "The audITee is archived: it is in no sum, and no sync reads its agreements."
        warnings.append({"code": "archived", "message": message, "fix": "Bring it back first."})
    return warnings


def _of_money(
    company: Company, integration: Integration, shown: Shown, money: BeforeAfter
) -> list[Reason]:
    info, warnings = integration.psa_info, []
    if shown.refused is not None:
        message = f"{shown.refused.message} MRR after the link is not complete."
        warnings.append(_warning("lines_refused", message, shown.refused.fix))
    if shown.rejected:
        message = f"{_number(shown.rejected, 'record')} could not be read and are not counted here."
        warnings.append(_warning("records_set_aside", message, "After the link, see Issues."))
    if not shown.agreements:
        message = f"{info.name} shows no {info.agreement_word}s of it."
        warnings.append(_warning("no_agreements", message, "Nothing of it will count."))
    warnings += _of_currencies(company, money)
    warnings += _of_own_agreements(company, integration, shown, info.name)
    return warnings


def _of_currencies(company: Company, money: BeforeAfter) -> list[Reason]:
    before, after = ({total["currency"] for total in money[when]} for when in ("before", "after"))
    usual = before or {company.tenant.currency}
    if not after - usual:
        return []
    whose = "your audITee's in" if before else "your currency is"
    theirs, ours = (" and ".join(sorted(currencies)) for currencies in (after, usual))
    message = f"Its agreements are in {theirs}, {whose} {ours}."
    return [_warning("other_currency", message, "Currencies are never added up.")]


def _of_own_agreements(
    company: Company, integration: Integration, shown: Shown, psa: str
) -> list[Reason]:
    rows = Agreement.objects.for_tenant(company.tenant).filter(company=company, gone_at=None)
    ids = {record.external_id for record in shown.agreements}
    former, typed = 0, 0
    for row in rows.only("source", "integration_id", "external_id", "set_aside"):
        if row.is_typed:
            typed += not row.set_aside
        elif (row.integration_id, row.external_id in ids) != (integration.pk, True):
            former += 1
    warnings = []
    if former:
        message = f"{_number(former, 'agreement')} that a former link brought will end today."
        fix = f"If {psa} has them too they count there; undo brings them back."
        warnings.append(_warning("former_agreements_end", message, fix))
    if typed:
        message = f"{_number(typed, 'agreement')} typed by hand will be set aside, not lost."
        fix = "Count them again on the audITee's page where the PSA does not have them."
        warnings.append(_warning("typed_set_aside", message, fix))
    return warnings


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"


def _warning(code: str, message: str, fix: str) -> Reason:
    return {"code": code, "message": message, "fix": fix}
