"""The kinds of records that a PSA gives us: their names, and the right that each one needs.

The one list. What runs count, what issues are about, what a connection test probes and how pages
call them follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

#: A right to read as connection tests name it.
Right = Literal["read_companies", "read_contacts", "read_agreements", "read_lines"]
#: A kind as runs and readings write it (plural), in `counts`, `watermarks` and `phase`.
KindName = Literal["companies", "contacts", "agreements", "lines"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of records.

    `name` is its plural as stored with runs, `singular` as stored with events and issues, `title`
    as headings show it. `right` is the right to read it, `check` what a connection test calls
    probing that right, `why` what it is read for.
    """

    name: KindName
    singular: str
    title: str
    right: Right
    check: str
    why: str


COMPANIES: Final = Kind(
    "companies",
    "company",
    "Companies",
    "read_companies",
    "Read companies",
    "Which companies can become audITees: name, type and status.",
)
CONTACTS: Final = Kind(
    "contacts",
    "contact",
    "Contacts",
    "read_contacts",
    "Read contacts",
    "Whom an audITee is reached by; a company that nobody can be reached at can't be added.",
)
AGREEMENTS: Final = Kind(
    "agreements",
    "agreement",
    "Agreements",
    "read_agreements",
    "Read agreements",
    "MRR: what recurs, how often it is billed, and from when until when.",
)
LINES: Final = Kind(
    "lines",
    "line",
    "Lines",
    "read_lines",
    "Read lines",
    "MRR: quantities and prices; without them it is incomplete.",
)

#: In the order in which they are read and shown.
KINDS: Final = (COMPANIES, CONTACTS, AGREEMENTS, LINES)
BY_NAME: Final[dict[str, Kind]] = {kind.name: kind for kind in KINDS}
#: Every word by which events and issues may name a kind.
WORDS: Final = tuple(word for kind in KINDS for word in (kind.name, kind.singular))
#: The rights that a connection test probes, in order.
RIGHTS: Final[tuple[Right, ...]] = tuple(kind.right for kind in KINDS)
