"""The checks of a connection test in words."""

from __future__ import annotations

from django import template

from integrations.connecting.checks import CHECK_LABELS

register = template.Library()


@register.filter
def check_label(name: str) -> str:
    """What pages call a check of a connection test: `authenticate` → Sign in."""
    return CHECK_LABELS.get(name, name)
