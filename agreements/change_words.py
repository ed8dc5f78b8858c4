"""What became known of a figure, in words: `price of Managed Firewall USD 100.00 → 3,100.00`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Final

from django.utils.dateformat import format as date_text

from agreements.known.differences import Bringer, Change
from agreements.known.rows import CALLED
from agreements.mrr import money_text
from agreements.mrr.ledger import REASONS
from agreements.restated import mrr_in
from audit_site.pages.written import day_written, money_written
from audit_site.tenants.models import Tenant

#: How a change came to be known, by the kind of what brought it.
BROUGHT: Final = {
    "sync": "read",
    "import": "imported",
    "link": "linked",
    "unlink": "unlinked",
    "undo_link": "link undone",
    "choice": "decided",
    "manual": "typed",
    "rules": "newer rules",
    "settings": "settings changed",
    "status": "archived or brought back",
}
#: What is decided, by what it is called: when it is so, and when it is so no more.
DECIDED: Final = {
    **dict.fromkeys(
        (CALLED["exclude"], CALLED["line_exclude"]),
        ("is left out by a decision", "is no longer left out by a decision"),
    ),
    CALLED["force_include"]: ("counts by a decision", "no longer counts by a decision"),
    CALLED["assume_renewal"]: ("is assumed to renew", "is no longer assumed to renew"),
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


def said_changes(currency: str, changes: Iterable[Change], tenant: Tenant) -> list[SaidChange]:
    """The changed rows in one currency, the largest first."""
    rows = groupby(sorted(changes, key=_row), key=_row)
    found = [_said(currency, list(fields), tenant) for _, fields in rows]
    return sorted(found, key=lambda row: -abs(Decimal(row.amount)))


def _row(change: Change) -> tuple[str, str, str]:
    return change.company_id, change.agreement, change.row_id


def _said(currency: str, fields: list[Change], tenant: Tenant) -> SaidChange:
    before, after = mrr_in(currency, fields[0])
    return SaidChange(
        fields[0].label,
        money_text(currency, after - before),
        money_text(currency, before),
        money_text(currency, after),
        [sentence_of(change, tenant) for change in without_repeats(fields)],
    )


def without_repeats(changes: Sequence[Change]) -> list[Change]:
    """Without the last day in force of rows whose reason says the same."""
    explained = {_row(change) for change in changes if change.field == "reason"}
    return [
        change
        for change in changes
        if change.field != "in_force_until" or _row(change) not in explained
    ]


def sentence_of(change: Change, tenant: Tenant) -> str:
    """`price of Managed Firewall USD 100.00 → 3,100.00 (read 29 Nov 02:10)`."""
    return f"{_difference(change)}{brought_text(change.by, tenant)}"


def _difference(change: Change) -> str:
    if change.field == "row":
        return came_or_went(change.label, change.before, change.after)
    currencies = change.currencies_said
    return difference_text(change.called, change.label, change.before, change.after, currencies)


def came_or_went(label: str, before: str | None, after: str | None) -> str:
    if before is None and after is not None:
        return f"{label} is there"
    if after is None and before is not None:
        return f"{label} is there no more"
    return f"{label} comes to another amount"


def difference_text(
    called: str,
    label: str,
    before: str | None,
    after: str | None,
    currencies: tuple[str, str] = ("", ""),
) -> str:
    """`price of Managed Firewall USD 100.00 → 3,100.00`; the currency is said again where it is
    another. `currencies`: of either side, where it is an amount. What is decided, and why it does
    not count, are sentences: `Managed Firewall is left out by a decision`.
    """
    if called == CALLED["reason"]:
        return _reason_text(label, after)
    if said := DECIDED.get(called):
        return f"{label} {said[0 if after == 'true' else 1]}"
    former, current = currencies
    was, became = shown_value(before, former), shown_value(after, current)
    if former == current and current and before is not None:
        became = became.removeprefix(f"{current} ")
    return f"{called} of {label} {was} → {became}"


def _reason_text(label: str, code: str | None) -> str:
    """`Managed Firewall is left out: replaced by its renewal`."""
    if code is None:
        return f"{label} counts now"
    why = REASONS.get(code, "").rstrip(".")
    if "{" in why:
        why = why.partition(";")[0]
    return f"{label} is left out: {why if why and '{' not in why else code.replace('_', ' ')}"


def brought_text(by: Bringer, tenant: Tenant) -> str:
    """By what and when it became known: ` (read 29 Nov 02:10)`; "" = that is not known."""
    if by.at is None:
        return ""
    return f" ({BROUGHT.get(by.kind, 'known')} {moment_text(by.at, tenant)})"


def moment_text(at: datetime, tenant: Tenant) -> str:
    """`29 Nov 02:10`, in the tenant's time zone; with the year where it is not this one."""
    local = at.astimezone(tenant.zone)
    is_this_year = local.year == tenant.today().year
    return date_text(local, "j M H:i" if is_this_year else "j M Y H:i")


def shown_value(text: str | None, currency: str = "") -> str:
    """A value of a field for people: numbers with thousands apart, amounts with their currency,
    days as days.
    """
    if text is None:
        return "none"
    if text in {"true", "false"}:
        return "yes" if text == "true" else "no"
    if NUMBER.fullmatch(text):
        return _amount(text, currency) if currency else f"{Decimal(text):,f}"
    if DAY.fullmatch(text):
        return day_written(date.fromisoformat(text))
    return text


def _amount(text: str, currency: str) -> str:
    """With the places of its currency; with all its own where those are not enough."""
    exact = Decimal(text)
    rounded = money_text(currency, exact)
    return money_written(rounded if Decimal(rounded) == exact else f"{exact:f}", currency)
