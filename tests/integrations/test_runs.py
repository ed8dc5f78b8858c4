"""Runs: one at a time, cancelled, taken over from a dead worker, pruned."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from agreements.models import Agreement, AgreementLine
from companies.models import Company
from integrations.apps import give_back
from integrations.connecting.lifecycle import disconnect_integration
from integrations.importing.import_companies import import_companies
from integrations.importing.linking import link_of
from integrations.models import Integration, Issue, SyncEvent, SyncRun
from integrations.psa import registry
from integrations.runs import dispatching, history, leases, shutdown
from integrations.runs.starting import cancel_sync_run, start_sync_run
from integrations.sandbox.server import SandboxServer
from integrations.sync.engine import run_sync
from integrations.sync.run_writer import RunWriter
from tests.integrations.test_sync import import_all, sync
from tests.worker import work_off


def test_refused_lines_leave_out_what_was_never_read_whole(
    connected: Integration, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("refused_right", path="/additions")

    import_all(connected)

    run = SyncRun.objects.get(trigger="import")
    assert (run.state, run.error_code) == ("partial", "permission_denied")
    assert not AgreementLine.objects.exists()
    incomplete = Agreement.objects.filter(incomplete=True).count()
    assert incomplete > 20
    assert sync(connected).state == "partial"
    assert Agreement.objects.filter(incomplete=True).count() == incomplete
    sandbox.faults.clear()
    assert sync(connected).state == "succeeded"
    assert not Agreement.objects.filter(incomplete=True).exists()
    assert not Issue.objects.filter(closed_at=None).exists()


def test_an_agreement_that_changed_counts_with_its_lines_as_last_read(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    psa = sandbox.psas["connectwise"]
    sold, bare = Agreement.objects.exclude(lines=None).order_by("external_id").distinct()[:2]
    for line in bare.lines.all():
        psa.change({"do": "delete", "kind": "additions", "id": line.external_id})
    sync(connected)
    for agreement in (sold, bare):
        values = {"name": "Renamed"}
        psa.change(
            {"do": "change", "kind": "agreements", "id": agreement.external_id, "values": values}
        )
    sandbox.faults.switch_on("refused_right", path="/additions")

    run = sync(connected)

    assert (run.state, run.counts["agreements"]["updated"]) == ("partial", 2)
    renamed = Agreement.objects.filter(name="Renamed")
    assert dict(renamed.values_list("pk", "incomplete")) == {
        sold.pk: False, bare.pk: True
    }  # fmt: skip
    assert run.counts["lines"]["updated"] == run.counts["lines"]["gone"] == 0


def test_a_refusal_of_one_agreement_holds_up_no_lines_of_another(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    agreements = Agreement.objects.order_by("external_id")
    first, second = [row for row in agreements if row.lines.count() >= 2][:2]
    good, bad = second.lines.order_by("external_id")[:2]
    psa = sandbox.psas["connectwise"]
    for line, values in ((good, {"unitPrice": 777.77}), (bad, {"quantity": "x"})):
        change = {"do": "change", "kind": "additions", "id": line.external_id, "values": values}
        psa.change(change)
    sandbox.faults.switch_on("refused_right", path=f"/agreements/{first.external_id}/additions")

    sync(connected)

    good.refresh_from_db()
    assert good.unit_price == Decimal("777.77")
    incomplete = Agreement.objects.filter(incomplete=True)
    assert list(incomplete.values_list("pk", flat=True)) == [second.pk]


def test_explicit_nulls_change_nothing(connected: Integration, sandbox: SandboxServer) -> None:
    import_all(connected)
    sandbox.faults.switch_on("explicit_nulls")

    run = sync(connected)

    assert sum(count["updated"] for count in run.counts.values()) == 0


def test_a_server_without_forward_only_paging_is_read_whole(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.get_adapter("connectwise"), "page_size", 10)
    sandbox.faults.switch_on("no_forward_only")

    run = sync(connected)

    assert run.state == "succeeded"
    assert run.counts["companies"]["unchanged"] == 40


def test_two_starts_are_one_run(connected: Integration) -> None:
    first, is_new = start_sync_run(integration=connected)
    second, is_second_new = start_sync_run(integration=connected)

    assert (is_new, is_second_new) == (True, False)
    assert first.pk == second.pk


def test_an_import_beside_a_full_run_has_a_run_of_its_own(connected: Integration) -> None:
    full, _ = start_sync_run(integration=connected)

    result = import_companies(integration=connected, external_ids=["20002"], actor=None)

    assert result.sync_run.pk != full.pk
    work_off()
    company = Company.objects.get()
    assert link_of(company).last_synced_at is not None


def test_a_cancelled_run_stops_and_keeps_what_it_stored(connected: Integration) -> None:
    queued, _ = start_sync_run(integration=connected)

    cancel_sync_run(run=queued, actor=None)
    work_off()

    queued.refresh_from_db()
    assert queued.state == "cancelled"


def test_a_running_run_stops_behind_its_page(connected: Integration) -> None:
    run, _ = start_sync_run(integration=connected)
    claimed = leases.claim(SyncRun, tenant_id=str(run.tenant_id), work_id=str(run.pk))

    cancel_sync_run(run=run, actor=None)

    run.refresh_from_db()
    assert (run.state, run.cancel_requested) == ("running", True)
    assert claimed is not None
    SyncRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk))
    run.refresh_from_db()
    assert run.state == "cancelled"


def test_a_worker_that_is_told_to_end_gives_its_run_back_behind_a_page(
    connected: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = sync(connected)
    run, _ = start_sync_run(integration=connected)
    key = {"tenant_id": str(run.tenant_id), "run_id": str(run.pk)}
    sent: list[tuple[str, ...]] = []
    monkeypatch.setattr(dispatching, "enqueue", lambda *args, queue: sent.append(args))
    whole, pages = RunWriter.page, []

    def told_at_the_third(self: RunWriter, *args: Any, **options: Any) -> Any:
        pages.append(args)
        if len(pages) == 3:
            give_back()
        return whole(self, *args, **options)

    monkeypatch.setattr(RunWriter, "page", told_at_the_third)
    try:
        run_sync(**key)
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


def test_a_worker_that_is_told_to_end_begins_nothing_more(connected: Integration) -> None:
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


def test_disconnecting_ends_a_run(connected: Integration) -> None:
    run, _ = start_sync_run(integration=connected)

    disconnect_integration(integration=connected, actor=None)

    run.refresh_from_db()
    assert run.state == "cancelled"


def test_a_worker_whose_lease_ran_out_may_write_no_more(connected: Integration) -> None:
    run, _ = start_sync_run(integration=connected)
    key = {"tenant_id": str(run.tenant_id), "work_id": str(run.pk)}
    slow = leases.claim(SyncRun, **key)
    SyncRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))

    quick = leases.claim(SyncRun, **key)

    assert quick.fence == slow.fence + 1
    with pytest.raises(leases.LeaseLost), RunWriter(slow).page("companies"):
        Company.objects.create(tenant=connected.tenant, name="must not stay")
    assert not Company.objects.exists()
    assert not RunWriter(slow).end("failed")
    assert leases.claim(SyncRun, **key) is None


def test_the_sweeper_sends_again_what_nobody_holds(
    connected: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = start_sync_run(integration=connected)
    sent: list[tuple[str, ...]] = []
    monkeypatch.setattr(dispatching, "enqueue", lambda *args, queue: sent.append(args))

    dispatching.sweep()
    assert sent == []  # its hint may still be on its way
    SyncRun.objects.update(dispatched_at=timezone.now() - timedelta(minutes=1))
    dispatching.sweep()
    dispatching.sweep()

    assert sent == [("integrations.run_sync", str(run.tenant_id), str(run.pk))]


def test_history_is_pruned_behind_its_time(connected: Integration, settings: Any) -> None:
    old = SyncRun.objects.get()
    SyncRun.objects.update(finished_at=timezone.now() - timedelta(days=91))
    new = sync(connected)

    history.prune_history()

    assert list(SyncRun.objects.values_list("pk", flat=True)) == [new.pk]
    assert not SyncEvent.objects.filter(run=old.pk).exists()
