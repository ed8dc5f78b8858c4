"""Forgetting what ended long ago."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.utils import timezone

from audit_site.db.slices import delete_everywhere
from integrations.models import ImportBatch, Issue
from integrations.runs.dispatching import TASKS

#: An import that nobody has started is kept for so long.
NEVER_STARTED: Final = timedelta(days=7)


def prune_history() -> None:
    """Delete what ended longer ago than the setting says: runs with their events, tests, imports,
    issues; and what was never started.
    """
    before = timezone.now() - timedelta(days=settings.SYNC_HISTORY_DAYS)
    for model in TASKS:
        delete_everywhere(model._default_manager.filter(finished_at__lt=before), "prune_history")
    begun = timezone.now() - NEVER_STARTED
    never = ImportBatch.objects.filter(state=ImportBatch.State.REVIEW, created_at__lt=begun)
    delete_everywhere(never, "prune_history")
    delete_everywhere(Issue.objects.filter(closed_at__lt=before), "prune_history")
