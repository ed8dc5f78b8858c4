"""Suggested links in words."""

from __future__ import annotations

from django import template

from integrations.importing.suggested import Suggestion
from integrations.models import LinkSuggestion

register = template.Library()


@register.filter
def how_sure(suggestion: Suggestion | LinkSuggestion) -> str:
    """`92 of 100: same name; same e-mail domain (ambervet.com)`."""
    reasons = [reason["message"].strip(" .") for reason in suggestion.reasons]
    why = "; ".join(text[:1].lower() + text[1:] for text in reasons if text)
    return f"{suggestion.score} of 100{f': {why}' if why else ''}"
