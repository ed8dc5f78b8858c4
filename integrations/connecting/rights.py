"""What a connection needs in its PSA: each right, why, where it is granted, and how it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from integrations.connecting.checks import AUTHENTICATE, CHECK_LABELS, REACH, Check, check
from integrations.kinds import AGREEMENTS, KINDS, LINES, Kind
from integrations.models import ConnectionTest
from integrations.psa.contract import PsaInfo

#: What comes before any right.
FIRST: Final = {
    REACH: "The server answers at this address.",
    AUTHENTICATE: "The keys are accepted.",
}


@dataclass(frozen=True, slots=True)
class RightRow:
    """A right as it is granted; `path` is where ("" = nothing to grant).

    `check` is what the last test says of it. Of rows that share a check only the first `speaks`.
    """

    title: str
    why: str
    path: str
    check: Check
    speaks: bool = True


def rights_table(info: PsaInfo, test: ConnectionTest | None) -> list[RightRow]:
    """What the PSA is asked for, in the order of a test. No query."""
    found = {str(one["name"]): {**check(""), **one} for one in (test.checks if test else ())}
    rows = [
        RightRow(CHECK_LABELS[name], why, "", found.get(name, check(name)))
        for name, why in FIRST.items()
    ]
    for kind in KINDS:
        if kind.right in info.rights:
            rows += _rows_of(kind, info, found.get(kind.right, check(kind.right)))
    return rows


def _rows_of(kind: Kind, info: PsaInfo, found: Check) -> Iterator[RightRow]:
    path = info.menu_paths.get(kind.right, "")
    for number, title in enumerate(_titles(kind, info)):
        yield RightRow(title, kind.why, path, found, speaks=number == 0)


def _titles(kind: Kind, info: PsaInfo) -> tuple[str, ...]:
    """How the PSA calls what is granted."""
    if kind == LINES and info.line_rights:
        return info.line_rights
    return (f"{info.agreement_word.capitalize()}s",) if kind == AGREEMENTS else (kind.title,)
