"""What speaks against two companies being the same one: their names, domains and numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from audit_site.db.folded_text import folded
from integrations.importing.rules import Reason

#: Words of names that say nothing about who it is, folded.
COMMON_WORDS: Final = frozenset(
    {"and", "the", "co", "company", "corp", "corporation", "gmbh", "group", "inc", "limited", "llc"}
    | {"llp", "ltd", "plc", "pty"}
)
#: Domains of e-mail addresses that anybody may have.
FREE_MAIL: Final = frozenset(
    {"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com"}
    | {"icloud.com", "aol.com", "gmx.de", "gmx.net", "web.de", "proton.me", "protonmail.com"}
)
WORD: Final = re.compile(r"\w+")
#: So many of a number's last digits are compared: whether its country is written is a habit.
LAST_DIGITS: Final = 7


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two companies: its name, and how its people are reached."""

    name: str
    emails: Sequence[str] = ()
    phones: Sequence[str] = ()


def doubts(ours: Side, theirs: Side, psa: str) -> list[Reason]:
    """Why they may be two companies, at most one reason."""
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
    return bool(
        _words(ours.name) & _words(theirs.name)
        or _domains(ours.emails) & _domains(theirs.emails)
        or _numbers(ours.phones) & _numbers(theirs.phones)
    )


def _words(name: str) -> set[str]:
    return {word for word in WORD.findall(folded(name)) if len(word) > 1} - COMMON_WORDS


def _domains(emails: Sequence[str]) -> set[str]:
    return {email.rpartition("@")[2].casefold() for email in emails} - FREE_MAIL - {""}


def _numbers(phones: Sequence[str]) -> set[str]:
    return {re.sub(r"\D", "", phone)[-LAST_DIGITS:] for phone in phones} - {""}
