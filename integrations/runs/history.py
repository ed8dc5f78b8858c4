"""Forgetting what ended long ago."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from audit_site.db.slices import delete_everywhere
from integrations.models import Issue
from integrations.runs.dispatching import TASKS


def prune_history() -> None:
    """Delete what ended longer ago than the setting says: runs with their events, tests, issues."""
    before = timezone.now() - timedelta(days=settings.SYNC_HISTORY_DAYS)
    for model in TASKS:
        delete_everywhere(model._default_manager.filter(finished_at__lt=before), "prune_history")
    delete_everywhere(Issue.objects.filter(closed_at__lt=before), "prune_history")
