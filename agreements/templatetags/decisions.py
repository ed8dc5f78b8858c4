"""What people decided about agreements, in templates."""

from __future__ import annotations

from django import template

from agreements.models import ChoiceRecord
from agreements.web import decision_words

register = template.Library()
register.filter("decision", decision_words.decision)


@register.filter
def reason(record: ChoiceRecord) -> str:
    """Why it was decided, to follow the day: `: They left`; "" = nobody said."""
    return f": {record.note}" if record.note else ""
