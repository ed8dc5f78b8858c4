"""The import rules: which companies of a PSA can be imported, and what to say about the others.

The one place. The import list (`mirror.apply_rules`), the import and the live diagnosis look at the
same facts (`facts_of`) by the same rules (`broken_rules`). A new rule is a row of `RULES` (and a
fact, if it looks at a new one).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

from agreements import mrr
from companies.services import MAKE_ROOM, has_contact_method
from integrations.importing.said_words import NO_WORDS, CompanyWords, means_active
from integrations.models import PsaCompanyRecord, PsaContactRecord
from integrations.psa.contact_methods import email_in, phone_in
from integrations.psa.contract import PsaCompany, PsaContact, PsaInfo

AnyCompany = PsaCompany | PsaCompanyRecord
AnyContact = PsaContact | PsaContactRecord


class Reason(TypedDict):
    code: str
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class CompanyFacts:
    """What the rules look at.

    The counts are of contacts that are not gone (see PsaCompanyRecord). `primary_contact_id` is the
    PSA's id of the contact that becomes the primary one, "" when none is reachable.
    """

    is_active: bool
    is_deleted: bool
    is_merged: bool
    is_own: bool
    is_gone: bool
    contacts: int
    active_contacts: int
    reachable_contacts: int
    primary_contact_id: str = ""


def facts_of(
    company: AnyCompany, contacts: Sequence[AnyContact], words: CompanyWords = NO_WORDS
) -> CompanyFacts:
    """The facts of a company and of all its contacts that are not gone.

    As an adapter yields them, or as they are stored. A contact is reachable when it is active and
    has what is plausibly an e-mail address or a phone number. `words`: what people said that the
    account's words mean.
    """
    active = [person for person in contacts if person.is_active]
    reachable = [person for person in active if has_method(person)]
    return CompanyFacts(
        is_active=means_active(words, company.status, is_active=company.is_active),
        is_deleted=company.is_deleted,
        is_merged=company.is_merged,
        is_own=company.is_own,
        is_gone=isinstance(company, PsaCompanyRecord) and company.gone_at is not None,
        contacts=len(contacts),
        active_contacts=len(active),
        reachable_contacts=len(reachable),
        primary_contact_id=_primary_contact_id(company, reachable),
    )


def has_method(person: AnyContact) -> bool:
    """Whether a contact of a PSA has what is plausibly an e-mail address or a phone number."""
    return has_contact_method(email_in(person.email), phone_in(person.phone))


def _primary_contact_id(company: AnyCompany, reachable: Sequence[AnyContact]) -> str:
    """The PSA's own default contact when it is reachable, else the first that is."""
    for person in reachable:
        if person.external_id == company.default_contact_id:
            return person.external_id
    for person in reachable:
        if person.is_default:
            return person.external_id
    return reachable[0].external_id if reachable else ""


#: What a company needs, as the diagnosis walks through it: name of the check → what is said of one
#: that passes.
CHECKS: Final[dict[str, str]] = {
    "exists": "The PSA has this company.",
    "active": "Its status does not stand in the way.",
    "has_contact": "It has an active contact.",
    "has_contact_method": "A contact can be reached by e-mail or phone.",
    "licence": "Your licence has room for it.",
}
CHECK_NAMES: Final = tuple(CHECKS)


@dataclass(frozen=True, slots=True)
class Rule:
    """A reason why a company can't be imported.

    `check` is the check that it fails. `message` says what it is, `fix` what to do; `{psa}` is the
    PSA's name, `{where}` the place in that PSA where it is put right (`PsaInfo.fixes`), `{status}`
    the company's status, `{words}` what more can be done about a status that nobody knows.
    `is_broken` is None where the company's facts don't decide it.
    """

    code: str
    check: str
    message: str
    fix: str
    is_broken: Callable[[CompanyFacts, PsaInfo], bool] | None = None


#: What can be done about a status that an MSP has named itself.
OR_SAY_SO: Final = " If “{status}” means active, an admin can say so once for all of them."

#: Of the rules of one check the first that is broken counts.
RULES: Final = (
    Rule(
        "own_company",
        "exists",
        "This is your own organisation in {psa}.",
        "It is not a client, so it is not offered.",
        lambda facts, _: facts.is_own,
    ),
    Rule(
        "merged",
        "exists",
        "This company was merged into another one in {psa}.",
        "Import the company that it was merged into.",
        lambda facts, _: facts.is_merged,
    ),
    Rule(
        "deleted",
        "exists",
        "{psa} no longer has this company.",
        "Restore it in {psa}, then press Sync Now.",
        lambda facts, _: facts.is_deleted or facts.is_gone,
    ),
    Rule(
        "inactive",
        "active",
        "Its status in {psa}{status} does not count as Active.",
        "Set its status to Active in {psa}{where}, then press Sync Now.{words}",
        lambda facts, info: info.only_active_importable and not facts.is_active,
    ),
    Rule(
        "no_contact",
        "has_contact",
        "It has no contact in {psa}.",
        "Add a contact with an e-mail address or a phone number in {psa}{where}, then press Sync "
        "Now.",
        lambda facts, _: facts.contacts == 0,
    ),
    Rule(
        "contact_inactive",
        "has_contact",
        "All of its contacts in {psa} are inactive.",
        "Make one of them active again in {psa}{where}, then press Sync Now.",
        lambda facts, _: facts.active_contacts == 0,
    ),
    Rule(
        "contact_without_method",
        "has_contact_method",
        "None of its active contacts in {psa} has an e-mail address or a phone number.",
        "Add one of the two to a contact in {psa}{where}, then press Sync Now.",
        lambda facts, _: facts.reachable_contacts == 0,
    ),
    Rule(
        "already_linked",
        "",
        "It is already linked to an audITee.",
        "Nothing to do: its agreements are kept current by every sync.",
    ),
    Rule(
        "unknown_company",
        "exists",
        "{psa} showed no company with this id.",
        "Press Sync Now; if it stays away, check that the API user may see all companies.",
    ),
    Rule("licence_exceeded", "licence", "Your licence has no free audITee left.", MAKE_ROOM),
)
#: Each reason in a few words, as a table names it.
TITLES: Final[dict[str, str]] = {
    "own_company": "Your own organisation",
    "merged": "Merged into another one",
    "deleted": "Not in {psa} any more",
    "inactive": "Status is not Active",
    "no_contact": "No contact",
    "contact_inactive": "Contacts are inactive",
    "contact_without_method": "No e-mail, no phone",
    "already_linked": "Linked already",
    "unknown_company": "Not in {psa}",
    "licence_exceeded": "No room in the licence",
    "unchecked": "Not checked yet",
}
REASONS: Final[dict[str, Rule]] = {rule.code: rule for rule in RULES}
CODES: Final = tuple(REASONS)


def failed_checks(facts: CompanyFacts, info: PsaInfo) -> dict[str, str]:
    """The checks that a company fails, each with the code of the rule it breaks, in their order."""
    failed: dict[str, str] = {}
    for rule in RULES:
        if rule.is_broken and rule.check not in failed and rule.is_broken(facts, info):
            failed[rule.check] = rule.code
    return failed


def broken_rules(facts: CompanyFacts, info: PsaInfo) -> list[str]:
    """Return the codes of the rules that a company breaks, none when it can be imported."""
    return without_consequences(failed_checks(facts, info))


def without_consequences(failed: Mapping[str, str]) -> list[str]:
    """The codes of failed checks (check → code) that do not follow from another one.

    The MSP's own company is not offered, whatever else there is about it, and where nobody is
    active nobody can be reached.
    """
    failed = dict(failed)
    if failed.get("exists") == "own_company":
        return ["own_company"]
    if "has_contact" in failed:
        failed.pop("has_contact_method", None)
    return list(failed.values())


def explain(code: str, info: PsaInfo, status: str = "") -> Reason:
    """Return a reason code with its sentence and its fix. `status` is the company's in the PSA."""
    rule = REASONS[code]
    place = info.fixes.get(code)
    names = {
        "psa": info.name,
        "where": f" ({place})" if place else "",
        "status": f", “{status}”," if status else "",
        "words": OR_SAY_SO.format(status=status) if may_mean_active(status, info) else "",
    }
    return {"code": code, "message": rule.message.format(**names), "fix": rule.fix.format(**names)}


def title_of(code: str, psa_name: str) -> str:
    """A reason in a few words."""
    return TITLES.get(code, code).format(psa=psa_name)


def may_mean_active(status: str, info: PsaInfo) -> bool:
    """Whether a status that does not count as active is one that its PSA's documents don't list."""
    listed = {mrr.word_key(word) for word in info.inactive_words}
    return bool(status) and mrr.word_key(status) not in listed
