"""A worker that is asked to end gives its work back."""

from __future__ import annotations

from typing import Any

import pytest

from companies.services import archive_company
from integrations.apps import give_back
from integrations.models import CompanyLink, Integration, SyncRun
from integrations.runs import dispatching, leases, shutdown
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from integrations.sync.engine import run_sync
from integrations.sync.run_writer import RunWriter
from tests.syncing import change, import_all, open_causes, synced
from tests.worker import work_off


def test_a_worker_that_must_end_gives_its_run_back_after_a_page(
    connected: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = synced(connected)
    run, _ = start_sync_run(integration=connected)
    key = {"tenant_id": str(run.tenant_id), "run_id": str(run.pk)}
    sent: list[tuple[str, ...]] = []
    monkeypatch.setattr(dispatching, "enqueue", lambda *args, queue: sent.append(args))
    pages: list[str] = []

    def stop_after_the_second(moment: str, subject: str) -> None:
        pages.extend([subject] if moment == "page stored" else [])
        if len(pages) == 2:
            give_back()

    try:
        run_sync(**key, on_moment=stop_after_the_second)
        run_sync(**key)  # it takes nothing any more
    finally:
        shutdown.requested.clear()

    run.refresh_from_db()
    assert (run.state, run.lease_until, run.waiting_for, run.attempts) == ("running", None, "", 1)
    assert run.counts["companies"]["seen"] == 40, "what was read by then is stored"
    dispatching.sweep()
    assert sent == [("integrations.run_sync", str(run.tenant_id), str(run.pk))]
    run_sync(**key)
    run.refresh_from_db()
    assert (run.state, run.attempts, run.counts) == ("succeeded", 2, undisturbed.counts)


def test_a_worker_that_must_end_begins_nothing_more(connected: Integration) -> None:
    run, _ = start_sync_run(integration=connected)
    writer = RunWriter(run)
    shutdown.requested.set()
    try:
        with pytest.raises(shutdown.WorkerEnding):
            writer.count_request()
        with pytest.raises(shutdown.WorkerEnding):
            writer.wait(1, "Waiting")
        with pytest.raises(shutdown.WorkerEnding), writer.page("companies"):
            raise AssertionError("a page was begun")
    finally:
        shutdown.requested.clear()


def test_a_psa_that_goes_down_together_with_the_worker_is_no_outage(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = start_sync_run(integration=connected)
    sandbox.faults.switch_on("server_error", path="/contacts")
    hit = sandbox.faults.hit
    hits: list[str] = []

    def told_at_the_third(name: str, path: str) -> Any:
        found = hit(name, path)
        if found and name == "server_error":
            hits.append(path)
            if len(hits) == 3:  # the last try
                shutdown.requested.set()
        return found

    monkeypatch.setattr(sandbox.faults, "hit", told_at_the_third)
    try:
        run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk))
    finally:
        shutdown.requested.clear()

    assert len(hits) == 3
    run.refresh_from_db()
    connected.refresh_from_db()
    assert (run.state, run.lease_until, run.dispatched_at) == ("running", None, None)
    assert (connected.failures, connected.paused_until) == (0, None)


def test_a_worker_that_must_end_passes_a_hint_on(connected: Integration) -> None:
    run, _ = start_sync_run(integration=connected)
    shutdown.requested.set()
    try:
        claimed = leases.claim(SyncRun, tenant_id=str(run.tenant_id), work_id=str(run.pk))
    finally:
        shutdown.requested.clear()

    run.refresh_from_db()
    assert (claimed, run.state, run.attempts) == (None, "queued", 0)
    assert run.dispatched_at is None, "the next sweep sends it again"


def test_a_run_that_is_taken_over_after_the_rules_has_forgotten_what_is_not_linked(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    link = CompanyLink.objects.select_related("company").order_by("external_id")[0]
    change(sandbox, "companies", link.external_id, do="delete")
    synced(connected)
    archive_company(company=link.company, actor=None)
    assert len(open_causes()) == 1
    connected.refresh_from_db()
    run, _ = start_sync_run(integration=connected)

    def stop(moment: str, subject: str) -> None:
        if (moment, subject) == ("phase", "agreements"):
            shutdown.requested.set()

    try:
        run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk), on_moment=stop)
    finally:
        shutdown.requested.clear()
    work_off()

    run.refresh_from_db()
    assert (run.state, run.attempts) == ("succeeded", 2)
    assert open_causes() == []
