"""What people decided about agreements, in templates."""

from __future__ import annotations

from uuid import UUID

from django import template

from agreements.decisions import NO_FIGURE, which_one
from agreements.models import ChoiceRecord
from agreements.mrr import LedgerRow
from agreements.mrr.ledger import WARNINGS
from agreements.web import decision_words

register = template.Library()
register.filter("decision", decision_words.decision)
register.filter("which_one", which_one)


@register.filter
def doubt(code: str) -> str:
    """What a warning that a person settles is called; "" = it is none of these."""
    return decision_words.DOUBTS.get(code, "")


@register.filter
def told(row: LedgerRow) -> list[tuple[str, str]]:
    """The warnings of a row: their codes and sentences."""
    return list(zip(row.warnings, row.remarks, strict=True))


@register.filter
def doubt_sentence(code: str) -> str:
    return WARNINGS[code]


@register.filter
def reason(record: ChoiceRecord) -> str:
    """Why it was decided, to follow the day: `: They left`; "" = nobody said."""
    return f": {record.note}" if record.note else ""


@register.filter
def named(labels: dict[str, str], pk: UUID) -> str:
    """What the agreement of an id is called among others; "" = it is not among them."""
    return labels.get(str(pk), "")


@register.filter
def changes_no_figure(record: ChoiceRecord) -> bool:
    """Whether it was about nothing but what is in doubt."""
    before, after = record.before, record.after
    return {name for name in after if before.get(name) != after[name]} <= NO_FIGURE
