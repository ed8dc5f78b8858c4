"""What people did to typed agreements, in words."""

from __future__ import annotations

from typing import Any, Final

from django import template

from agreements.models import TypedChange

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
def act_words(change: TypedChange) -> str:
    """The fields that were added, changed or removed: `amount 1200.00 → 2400.00`."""
    before, after = change.before, change.after
    if change.act == TypedChange.Act.CHANGED:
        parts = [
            f"{LABELS[n]} {_shown(before[n])} → {_shown(after[n])}" for n in LABELS if n in after
        ]
        return ", ".join(parts)
    values = after or before
    return ", ".join(f"{LABELS[n]} {values[n]}" for n in LABELS if n != "name" and values.get(n))


def _shown(value: Any) -> str:
    return str(value) if value else "none"
