"""Fairness: a tenant has so many pieces of work under way, and a long sync lets others by."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from audit_site.db import walls
from audit_site.lanes import SYNC, URGENT
from audit_site.tenants.models import Tenant
from integrations.models import (
    CompanyLink,
    ConnectionTest,
    ImportBatch,
    Integration,
    LeasedWork,
    SyncRun,
)
from integrations.runs import dispatching, leases, turns
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from integrations.sync.engine import run_sync
from integrations.tasks import run_sync as run_sync_task
from integrations.web.run_progress import live
from tests.factories import make_integration, make_tenant
from tests.syncing import change, import_all, synced

Sent = list[tuple[str, str, str]]
account = count()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The hints that were sent: `(task, id, lane)`."""
    found: Sent = []

    def note(task: str, tenant_id: str, work_id: str, *, queue: str) -> None:
        found.append((task, work_id, queue))

    monkeypatch.setattr(dispatching, "enqueue", note)
    return found


def make_runs(tenant: Tenant, number: int) -> list[SyncRun]:
    """Sync Now on so many connections of a tenant."""
    return [
        start_sync_run(integration=make_integration(tenant, account_key=f"{next(account)}"))[0]
        for _ in range(number)
    ]


def claim(work: LeasedWork) -> LeasedWork | None:
    return leases.claim(type(work), tenant_id=str(work.tenant_id), work_id=str(work.pk))


def ended(run: SyncRun) -> None:
    leases.held(run).update(state="succeeded", lease_until=None, finished_at=timezone.now())


def test_a_third_sync_of_a_tenant_waits_and_says_so(tenant: Tenant, other_tenant: Tenant) -> None:
    first, second, third = make_runs(tenant, 3)
    (other,) = make_runs(other_tenant, 1)

    assert [claim(run) is not None for run in (first, second, third)] == [True, True, False]
    assert claim(other) is not None

    third.refresh_from_db()
    assert (third.state, third.fence, third.attempts, third.started_at) == ("queued", 0, 0, None)
    assert third.waiting_for == "Other syncs of yours are under way"
    shown = live(third)
    assert shown.line == "Waiting for its turn. Other syncs of yours are under way"
    assert not shown.resumed


def test_the_setting_says_how_many(tenant: Tenant, settings: Any) -> None:
    settings.SYNCS_A_TENANT = 1
    first, second = make_runs(tenant, 2)

    assert [claim(run) is not None for run in (first, second)] == [True, False]


def test_what_a_dead_worker_held_takes_no_place(tenant: Tenant) -> None:
    *held, third = make_runs(tenant, 3)
    assert all(claim(run) for run in held)
    SyncRun.objects.filter(pk=held[0].pk).update(lease_until=timezone.now() - timedelta(seconds=1))

    assert claim(third) is not None


def test_what_a_person_waits_for_has_places_of_its_own(tenant: Tenant) -> None:
    held = make_runs(tenant, 2)
    assert all(claim(run) for run in held)
    tests = [
        ConnectionTest.objects.create(tenant=tenant, integration=held[0].integration)
        for _ in range(4)
    ]
    small = ImportBatch.objects.create(tenant=tenant, state="queued", total=500)
    large = ImportBatch.objects.create(tenant=tenant, state="queued", total=501)

    assert [claim(work) is not None for work in (*tests, small, large)] == [
        *(True, True, True, False),
        *(False, False),
    ]
    assert turns.free_places(tenant.pk, URGENT) == 0
    assert turns.free_places(tenant.pk, SYNC) == 0


def test_what_ends_sends_the_next_in_the_order_of_the_clicks(
    tenant: Tenant, other_tenant: Tenant, sent: Sent
) -> None:
    runs = make_runs(tenant, 4)
    make_runs(other_tenant, 1)
    held = [claim(run) for run in runs]
    sent.clear()

    dispatching.send_next(tenant_id=str(tenant.pk))
    assert sent == []
    ended(held[0])
    dispatching.send_next(tenant_id=str(tenant.pk))

    assert sent == [("integrations.run_sync", str(runs[2].pk), SYNC)]


def test_the_worker_itself_sends_the_next(
    connected: Integration, settings: Any, sent: Sent
) -> None:
    settings.SYNCS_A_TENANT = 1
    run, _ = start_sync_run(integration=connected)
    (waiting,) = make_runs(connected.tenant, 1)
    sent.clear()

    run_sync_task(str(run.tenant_id), str(run.pk))

    assert sent == [("integrations.run_sync", str(waiting.pk), SYNC)]


def test_the_sweep_sends_no_more_than_there_are_places_for(tenant: Tenant, sent: Sent) -> None:
    runs = make_runs(tenant, 5)
    SyncRun.objects.update(dispatched_at=timezone.now() - timedelta(minutes=1))
    claim(runs[0])
    sent.clear()

    dispatching.sweep()

    assert [pk for _, pk, _ in sent] == [str(runs[1].pk)]


@pytest.mark.django_db(transaction=True)
def test_of_many_claims_at_once_no_more_than_the_places_succeed(settings: Any) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    tenant = make_tenant(company_limit=1)
    runs = make_runs(tenant, 8)

    def claimed(run: SyncRun) -> bool:
        try:
            return claim(run) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        under_way = [pool.submit(walls.carried(claimed), run) for run in runs]
        found = [one.result() for one in under_way]

    assert sum(found) == settings.SYNCS_A_TENANT == 2


def test_a_long_sync_lets_others_by_after_a_page_and_ends_as_ever(
    connected: Integration,
    sandbox: SandboxServer,
    other_tenant: Tenant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import_all(connected)
    undisturbed = synced(connected)
    reading = CompanyLink.objects.order_by("id").values_list("external_id", flat=True)
    change(sandbox, "companies", reading[0], values={"name": "Another name"})
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(turns, "LOOK_SECONDS", 0.0)
    (waiting,) = make_runs(other_tenant, 1)
    SyncRun.objects.filter(pk=waiting.pk).update(queued_at=timezone.now() - timedelta(seconds=31))

    run, _ = start_sync_run(integration=connected)
    times = 0
    while run.is_active:
        run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk))
        run.refresh_from_db()
        times += 1
        assert run.lease_until is None

    assert run.state == "succeeded"
    assert times > 3, "a page a turn"
    seen = {kind: counts["seen"] for kind, counts in run.counts.items()}
    assert seen == {kind: counts["seen"] for kind, counts in undisturbed.counts.items()}
    assert run.counts["companies"]["updated"] == 1


@pytest.mark.parametrize("why", ["nobody waits long", "only its own tenant waits", "in turn"])
def test_nobody_who_waits_for_a_thread_is_no_reason_to_stop(
    connected: Integration, other_tenant: Tenant, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.0)
    (waiting,) = make_runs(connected.tenant if "own" in why else other_tenant, 1)
    seconds = 29 if why == "nobody waits long" else 60
    SyncRun.objects.filter(pk=waiting.pk).update(
        queued_at=timezone.now() - timedelta(seconds=seconds),
        waiting_for=turns.IN_TURN if why == "in turn" else "",
    )
    run, _ = start_sync_run(integration=connected)

    run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk))

    run.refresh_from_db()
    assert (run.state, run.attempts) == ("succeeded", 1)
