"""Which companies of a PSA can be imported, and what to say about those that can't. One place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypedDict

from companies.services import MAKE_ROOM
from integrations.psa.contract import PsaInfo


class Reason(TypedDict):
    code: str
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class CompanyFacts:
    """What the rules look at.

    The counts are of contacts that are not gone (see PsaCompanyRecord).
    """

    is_active: bool
    is_deleted: bool
    is_merged: bool
    is_own: bool
    is_gone: bool
    contacts: int
    active_contacts: int
    reachable_contacts: int


#: code → (what it is, what to do); `{psa}` is the PSA's name. In the order in which they are shown.
REASONS: Final[dict[str, tuple[str, str]]] = {
    "own_company": (
        "This is your own organisation in {psa}.",
        "It is not a client, so it is not offered.",
    ),
    "deleted": (
        "{psa} no longer has this company.",
        "Restore it in {psa}, then press Sync Now.",
    ),
    "merged": (
        "This company was merged into another one in {psa}.",
        "Import the company that it was merged into.",
    ),
    "inactive": (
        "Its status in {psa} is not Active.",
        "Set its status to Active in {psa} (ConnectWise: Company Finance, or Company Mass "
        "Maintenance for many at once), then press Sync Now.",
    ),
    "no_contact": (
        "It has no contact in {psa}.",
        "Add a contact with an e-mail address or a phone number in {psa}, then press Sync Now.",
    ),
    "contact_inactive": (
        "All of its contacts in {psa} are inactive.",
        "Make one of them active again in {psa}, then press Sync Now.",
    ),
    "contact_without_method": (
        "None of its active contacts in {psa} has an e-mail address or a phone number.",
        "Add one of the two to a contact in {psa}, then press Sync Now.",
    ),
    "already_linked": (
        "It is already linked to an audITee.",
        "Nothing to do: its agreements are kept current by every sync.",
    ),
    "unknown_company": (
        "{psa} showed no company with this id.",
        "Press Sync Now; if it stays away, check that the API user may see all companies.",
    ),
    "licence_exceeded": (
        "Your licence has no free audITee left.",
        MAKE_ROOM,
    ),
}


def broken_rules(facts: CompanyFacts, info: PsaInfo) -> list[str]:
    """Return the codes of the rules that a company breaks, none when it can be imported."""
    if facts.is_own:
        return ["own_company"]
    codes: list[str] = []
    if facts.is_merged:
        codes.append("merged")
    elif facts.is_deleted or facts.is_gone:
        codes.append("deleted")
    if info.only_active_importable and not facts.is_active:
        codes.append("inactive")
    if facts.contacts == 0:
        codes.append("no_contact")
    elif facts.active_contacts == 0:
        codes.append("contact_inactive")
    elif facts.reachable_contacts == 0:
        codes.append("contact_without_method")
    return codes


def explain(code: str, psa_name: str) -> Reason:
    """Return a reason code with its sentence and its fix."""
    message, fix = REASONS[code]
    return {"code": code, "message": message.format(psa=psa_name), "fix": fix.format(psa=psa_name)}
