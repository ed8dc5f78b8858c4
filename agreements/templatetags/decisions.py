"""What people decided about agreements, in templates."""

from __future__ import annotations

from django import template

from agreements.decisions import which_one
from agreements.models import ChoiceRecord
from agreements.mrr import LedgerRow
from agreements.mrr.doubts import NEGATIVE_AGREEMENT, PART_OF_CYCLE, POSSIBLE_OVERLAP
from agreements.mrr.ledger import WARNINGS
from agreements.web import decision_words

register = template.Library()
register.filter("decision", decision_words.decision)
register.filter("which_one", which_one)


#: What a doubt is called, beside the amount that it is about.
DOUBTS = {
    POSSIBLE_OVERLAP: "Counted twice?",
    PART_OF_CYCLE: "Price of a part of a cycle?",
    NEGATIVE_AGREEMENT: "Less than nothing?",
}


@register.filter
def doubt(code: str) -> str:
    """What a warning that a person settles is called; "" = it is none of these."""
    return DOUBTS.get(code, "")


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
