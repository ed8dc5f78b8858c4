"""Leases: a run of a dead worker is taken over, and one that kills workers is given up."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from audit_site.db import walls
from companies.models import Company
from integrations.models import Integration, Issue, SyncEvent, SyncRun
from integrations.runs import dispatching, history, leases
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from integrations.sync import engine
from integrations.sync.engine import run_sync
from integrations.sync.run_writer import RunWriter
from tests.conftest import connect
from tests.factories import make_integration, make_tenant
from tests.syncing import claimed, synced
from tests.worker import work_off


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


def test_history_is_pruned_after_its_time(connected: Integration, settings: Any) -> None:
    old = SyncRun.objects.get()
    SyncRun.objects.update(finished_at=timezone.now() - timedelta(days=91))
    new = synced(connected)

    history.prune_history()

    assert list(SyncRun.objects.values_list("pk", flat=True)) == [new.pk]
    assert not SyncEvent.objects.filter(run=old.pk).exists()


def test_a_run_that_ends_its_worker_again_and_again_is_given_up(connected: Integration) -> None:
    run, _ = start_sync_run(integration=connected)
    SyncRun.objects.filter(pk=run.pk).update(attempts=engine.MOST_ATTEMPTS)

    work_off()

    run.refresh_from_db()
    assert (run.state, run.error_code) == ("failed", "internal_error")


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_page_takes_long_holds_no_sweep_up(
    sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite locks no single row")
    connected = [connect(make_tenant(company_limit=9), sandbox, "connectwise") for _ in range(2)]
    slow, dead = (
        SyncRun.objects.create(
            tenant=integration.tenant, integration=integration, state="running",
            lease_until=timezone.now() - timedelta(seconds=1), dispatched_at=None,
        )
        for integration in connected
    )  # fmt: skip
    sent: list[str] = []
    monkeypatch.setattr(
        dispatching, "enqueue", lambda task, tenant_id, run_id, queue: sent.append(run_id)
    )

    def sweep() -> None:
        try:
            dispatching.sweep()
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool, transaction.atomic():
        SyncRun.objects.select_for_update().get(pk=slow.pk)
        pool.submit(sweep).result(timeout=10)

    assert sent == [str(dead.pk)]
    dispatching.sweep()
    assert sent == [str(dead.pk), str(slow.pk)]


@pytest.mark.django_db(transaction=True)
def test_a_beat_that_the_database_misses_costs_nobody_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connections that can be cut")
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.1)
    run = claimed(make_integration(make_tenant()))

    with leases.LeaseKeeper(run):
        for _ in range(3):
            began = timezone.now()
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            deadline = time.monotonic() + 5
            while leases.held(run).get().lease_until < began + leases.LEASE:
                assert time.monotonic() < deadline, "no beat came after the one that was cut"
                time.sleep(0.05)


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_cut_in_a_page_costs_the_run_nothing(
    sandbox: SandboxServer,
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connections that can be cut")
    connected = connect(make_tenant(company_limit=100), sandbox, "connectwise")
    run, _ = start_sync_run(integration=connected)
    key = {"tenant_id": str(run.tenant_id), "run_id": str(run.pk)}

    def cut(moment: str, subject: str) -> None:
        if (moment, subject) == ("page", "contacts"):
            with walls.as_owner(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(OperationalError):
        run_sync(**key, on_moment=cut)

    run.refresh_from_db()
    assert (run.state, run.counts["contacts"]["seen"]) == ("running", 0)
    assert not Issue.objects.exists()
    SyncRun.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    run_sync(**key)
    run.refresh_from_db()
    assert run.state == "succeeded"
    assert run.counts["contacts"]["seen"] == 127
