"""What a link would change: an audITee beside the PSA company that it is taken for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from audit_site.db.folded_text import folded
from companies.models import Company
from integrations.importing.rules import Reason, explain
from integrations.models import PsaCompanyRecord, PsaContactRecord

#: Words of names that say nothing about who it is, folded.
COMMON_WORDS: Final = frozenset(
    {"and", "the", "co", "company", "corp", "corporation", "gmbh", "group", "inc", "limited", "llc"}
    | {"llp", "ltd", "plc", "pty"}
)
WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two as people know it; "" = there is none."""

    name: str
    contact: str = ""
    email: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class FieldBeside:
    """A field of both sides. `changes`: ours becomes theirs."""

    label: str
    ours: str
    theirs: str

    @property
    def changes(self) -> bool:
        return bool(self.theirs) and self.ours != self.theirs


@dataclass(frozen=True, slots=True)
class LinkPreview:
    """Both sides field by field, and what speaks against a link: a code, a sentence, what to do."""

    fields: list[FieldBeside]
    warnings: list[Reason]


def preview_link(company: Company, record: PsaCompanyRecord) -> LinkPreview:
    """Compare an audITee with a PSA company as it was last read. One statement at the most."""
    ours, theirs = _ours(company), _theirs(record)
    fields = [
        FieldBeside("Name", ours.name, theirs.name),
        FieldBeside("Primary contact", ours.contact, theirs.contact),
        FieldBeside("E-mail", ours.email, theirs.email),
        FieldBeside("Phone", ours.phone, theirs.phone),
    ]
    info = record.integration.psa_info
    broken = [explain(code, info) for code in record.rule_codes]
    return LinkPreview(fields, [*_doubts(ours, theirs, info.name), *broken])


def _ours(company: Company) -> Side:
    person = company.primary
    if person is None:
        return Side(company.name)
    return Side(company.name, person.full_name, person.email, person.phone)


def _theirs(record: PsaCompanyRecord) -> Side:
    people = PsaContactRecord.objects.of(record.integration)
    person = people.filter(external_id=record.primary_contact_id).first()
    if not record.primary_contact_id or person is None:
        return Side(record.name)
    name = f"{person.first_name} {person.last_name}".strip()
    return Side(record.name, name, person.email, person.phone)


def _doubts(ours: Side, theirs: Side, psa: str) -> list[Reason]:
    """Why they may be two companies."""
    if folded(ours.name).strip() == folded(theirs.name).strip():
        return []
    if not _have_something_in_common(ours, theirs):
        return [
            {
                "code": "nothing_in_common",
                "message": f"“{ours.name}” and “{theirs.name}” share no word of their names, no "
                "e-mail domain and no phone number.",
                "fix": f"Look in {psa} whether they are the same company before you link them.",
            }
        ]
    return [
        {
            "code": "names_differ",
            "message": f"The names differ: “{ours.name}” will be called “{theirs.name}”.",
            "fix": "Link them only if they are the same company.",
        }
    ]


def _have_something_in_common(ours: Side, theirs: Side) -> bool:
    names = _words(ours.name) & _words(theirs.name)
    domains = _domain(ours.email) == _domain(theirs.email) != ""
    phones = _digits(ours.phone) == _digits(theirs.phone) != ""
    return bool(names) or domains or phones


def _words(name: str) -> set[str]:
    return {word for word in WORD.findall(folded(name)) if len(word) > 1} - COMMON_WORDS


def _domain(email: str) -> str:
    return email.rpartition("@")[2].casefold()


def _digits(phone: str) -> str:
    """The last digits of a number: whether its country is written is a matter of habit."""
    return re.sub(r"\D", "", phone)[-7:]
