"""A sync run in words, for templates of pages that may not know those of integrations."""

from __future__ import annotations

from django import template

from integrations.models import SyncRun
from integrations.web.run_progress import RunStatus
from integrations.web.run_progress import live as live_of

register = template.Library()


@register.filter
def live(run: SyncRun) -> RunStatus:
    """A sync run as it is at this moment, in words."""
    return live_of(run)
