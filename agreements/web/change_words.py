"""What became known of a figure, in words: `price of Managed Firewall 100 → 3,100`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Final

from django.utils import timezone
from django.utils.dateformat import format as date_text

from agreements.known.differences import Bringer, Change
from agreements.mrr import money_text
from agreements.restated import mrr_in

#: How a change came to be known, by the kind of what brought it. `{name}`: a person or an account.
BROUGHT: Final = {
    "sync": "read",
    "import": "imported",
    "link": "linked",
    "unlink": "unlinked by {name}",
    "undo_link": "link undone by {name}",
    "choice": "decided by {name}",
    "manual": "typed by {name}",
    "rules": "by newer rules",
    "settings": "settings of {name}",
    "status": "",
    "repair": "worked out again",
}
NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class SaidChange:
    """A row of a ledger that came to another amount, and each field of it that differs."""

    name: str
    amount: str
    before: str
    after: str
    sentences: list[str]


def said_changes(currency: str, changes: Iterable[Change]) -> list[SaidChange]:
    """The changed rows in one currency, the largest first."""
    rows = groupby(sorted(changes, key=_row), key=_row)
    found = [_said(currency, list(fields)) for _, fields in rows]
    return sorted(found, key=lambda row: -abs(Decimal(row.amount)))


def _row(change: Change) -> tuple[str, str, str]:
    return change.company_id, change.agreement, change.row_id


def _said(currency: str, fields: list[Change]) -> SaidChange:
    before, after = mrr_in(currency, fields[0])
    return SaidChange(
        fields[0].label,
        money_text(currency, after - before),
        money_text(currency, before),
        money_text(currency, after),
        [sentence_of(change) for change in fields],
    )


def sentence_of(change: Change) -> str:
    """`price of Managed Firewall 100 → 3,100 (read 29 Nov 02:10)`."""
    return f"{_difference(change)}{_brought(change.by)}"


def _difference(change: Change) -> str:
    before, after = shown_value(change.before), shown_value(change.after)
    if change.field == "row":
        if change.before is None and change.after is not None:
            return f"{change.label} came"
        if change.after is None and change.before is not None:
            return f"{change.label} went"
        return f"{change.label} comes to another amount"
    if change.field == "company":
        return f"{change.label}: its audITee became {after}"
    return f"{change.called} of {change.label} {before} → {after}"


def _brought(by: Bringer) -> str:
    """By what, and when: ` (read 29 Nov 02:10)`; nothing where it is not known."""
    if by.at is None:
        return ""
    local = timezone.localtime(by.at)
    day = date_text(local, "j M" if local.year == timezone.localtime().year else "j M Y")
    how = BROUGHT.get(by.kind, "").format(name=by.name or "a program")
    return f" ({how} {day} {local:%H:%M})".replace("( ", "(")


def shown_value(text: str | None) -> str:
    """A value of a field for people: numbers with thousands apart, days as days."""
    if text is None:
        return "none"
    if text in {"true", "false"}:
        return "yes" if text == "true" else "no"
    if NUMBER.fullmatch(text):
        return f"{Decimal(text):,f}"
    if DAY.fullmatch(text):
        return date_text(date.fromisoformat(text), "j M Y")
    return text


def total_of(rows: Iterable[SaidChange], currency: str) -> str:
    """What changed rows come to together."""
    return money_text(currency, sum((Fraction(row.amount) for row in rows), Fraction(0)))
