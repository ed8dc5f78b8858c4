"""Does queued work in this process, as a worker would, until none is due."""

from __future__ import annotations

from django.utils import timezone

from integrations.batches.worker import run_import_batch
from integrations.connecting.connection_test import run_connection_test
from integrations.connecting.open_adapter import budget_of
from integrations.links.preview_work import run_link_preview
from integrations.models import ConnectionTest, ImportBatch, LinkPreview, SyncRun
from integrations.runs import leases, turns
from integrations.sync.engine import run_sync
from integrations.sync.moments import OnMoment, unwatched


def wait_out_tests() -> None:
    """The moment has come until which each connection test that waits had to wait; again and again,
    until all have ended.
    """
    while True:
        waiting = ConnectionTest.objects.exclude(state="done").exclude(resume_at=None)
        for test in waiting.select_related("integration"):
            budget_of(test.integration).forget()
        if not waiting.update(resume_at=timezone.now()):
            return
        work_off()


def work_off_imports() -> None:
    """Carry out every import that is due; the syncs that it starts wait."""
    while batch := ImportBatch.objects.filter(leases.due(timezone.now())).order_by("id").first():
        run_import_batch(tenant_id=str(batch.tenant_id), batch_id=str(batch.pk))


def work_off(on_moment: OnMoment = unwatched) -> None:
    """Run every test, preview, import and sync run that is due, and what they start in turn.

    `on_moment` watches each of the runs.
    """
    while True:
        due = leases.due(timezone.now())
        test = ConnectionTest.objects.filter(due).order_by("id").first()
        if test is not None:
            run_connection_test(tenant_id=str(test.tenant_id), test_id=str(test.pk))
            continue
        work_off_imports()
        preview = LinkPreview.objects.filter(due).order_by("id").first()
        if preview is not None:
            run_link_preview(tenant_id=str(preview.tenant_id), preview_id=str(preview.pk))
            continue
        run = SyncRun.objects.filter(due).order_by(turns.WAITS_SINCE, "id").first()
        if run is None:
            return
        run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk), on_moment=on_moment)
