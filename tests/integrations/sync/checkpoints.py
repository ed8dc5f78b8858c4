"""Runs as other releases left them."""

from __future__ import annotations

from typing import Any

from integrations.models import (
    SyncRun,
    SyncRunPage,
    no_counts,
)


def left_by_release_0_1(run: SyncRun, checkpoint: dict[str, Any], **seen: list[str]) -> None:
    """The row of a run whose worker, of release 0.1, died after its last page was committed."""
    counts = no_counts()
    for kind, ids in seen.items():
        counts[kind]["seen"] = counts[kind]["unchanged"] = len(ids)
        SyncRunPage.objects.create(tenant_id=run.tenant_id, run=run, kind=kind, external_ids=ids)
    SyncRun.objects.filter(pk=run.pk).update(
        state="running", fence=1, attempts=1, checkpoint=checkpoint, counts=counts
    )
