"""Forgetting what ended long ago."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from audit_site.db import walls
from integrations.models import (
    Issue,
)
from integrations.runs.dispatching import TASKS


def prune_history() -> None:
    """Delete what ended longer ago than the setting says: runs with their events, tests, issues."""
    before = timezone.now() - timedelta(days=settings.SYNC_HISTORY_DAYS)
    old = [model._default_manager.filter(finished_at__lt=before) for model in TASKS]
    for rows in (*old, Issue.objects.filter(closed_at__lt=before)):
        for tenant_id in walls.owners_of(rows, "prune_history"):
            with walls.within(tenant_id):
                rows.filter(tenant=tenant_id).delete()
