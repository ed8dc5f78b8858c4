"""What people did to typed agreements, in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from django import template

from agreements.models import TypedChange
from agreements.mrr.words import CYCLE
from audit_site.pages.written import day_written, money_written
from integrations.words.kinds import KINDS

register = template.Library()

LABELS: Final = {
    "name": "name",
    "amount": "amount",
    "currency": "currency",
    "billing_cycle": "billed",
    "start_date": "first day",
    "end_date": "last day",
    "note": "note",
}


@register.filter
def cycle_words(cycle: str) -> str:
    """A billing cycle as the form names it: `Yearly`."""
    return dict(KINDS[CYCLE].choices).get(cycle, cycle)


@register.filter
def act_words(change: TypedChange) -> str:
    """The fields that were added, changed or removed: `amount USD 1,200.00 → USD 2,400.00`."""
    before, after = _written(change.before), _written(change.after)
    if change.act == TypedChange.Act.CHANGED:
        parts = [
            f"{LABELS[n]} {_shown(before[n])} → {_shown(after[n])}" for n in LABELS if n in after
        ]
        return ", ".join(parts)
    values = after or before
    return ", ".join(f"{LABELS[n]} {values[n]}" for n in LABELS if n != "name" and values.get(n))


def _written(values: Mapping[str, Any]) -> dict[str, Any]:
    """Typed values as pages write them."""
    written = dict(values)
    if values.get("amount"):
        written["amount"] = money_written(values["amount"], values.get("currency") or "")
    for name in ("start_date", "end_date"):
        if values.get(name):
            written[name] = day_written(date.fromisoformat(values[name]))
    if values.get("billing_cycle"):
        written["billing_cycle"] = cycle_words(values["billing_cycle"]).lower()
    if values.get("amount"):
        written.pop("currency", None)
    return written


def _shown(value: Any) -> str:
    return str(value) if value else "none"
