"""Starting and cancelling runs: one at a time, and what follows it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from companies.models import Company
from integrations.connecting.lifecycle import disconnect_integration
from integrations.importing.import_companies import import_companies
from integrations.importing.linking import link_of
from integrations.models import Integration, PsaContactRecord, SyncRun
from integrations.runs import leases
from integrations.runs.starting import cancel_sync_run, start_sync_run
from integrations.sandbox.server import SandboxServer
from integrations.sync.engine import run_sync
from integrations.sync.run_writer import RunWriter
from tests.syncing import change, claimed, synced
from tests.worker import work_off


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


def test_a_running_run_stops_after_its_page(connected: Integration) -> None:
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


def test_disconnecting_ends_a_run(connected: Integration) -> None:
    run, _ = start_sync_run(integration=connected)

    disconnect_integration(integration=connected, actor=None)

    run.refresh_from_db()
    assert run.state == "cancelled"


def test_sync_now_makes_a_small_reading_that_nobody_has_begun_a_full_one(
    connected: Integration,
) -> None:
    small, _ = start_sync_run(integration=connected, trigger="schedule")
    assert small.reading == "changes"

    run, is_new = start_sync_run(integration=connected)

    assert (run.pk, is_new, run.reading, run.followed_by) == (small.pk, False, "full", "")


def test_a_small_reading_under_way_is_followed_by_what_sync_now_asks_for(
    connected: Integration, sandbox: SandboxServer
) -> None:
    small = claimed(connected, "schedule")
    person = PsaContactRecord.objects.order_by("external_id")[0]
    change(sandbox, "contacts", person.external_id, values={"firstName": "Ada"}, touch=False)

    run, is_new = start_sync_run(integration=connected)

    assert (run.pk, is_new, run.reading, run.followed_by) == (small.pk, False, "changes", "manual")
    assert RunWriter(small).end("succeeded")
    work_off()
    person.refresh_from_db()
    assert person.first_name == "Ada"
    runs = SyncRun.objects.exclude(trigger="connect").order_by("queued_at")
    assert list(runs.values_list("reading", "state", "followed_by")) == [
        ("changes", "succeeded", "manual"), ("full", "succeeded", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["keys", "pause"])
def test_sync_now_on_a_queued_automatic_run_asks_the_psa(
    connected: Integration, sandbox: SandboxServer, how: str
) -> None:
    if how == "keys":
        sandbox.faults.switch_on("bad_keys")
        assert synced(connected).error_code == "invalid_credentials"
        sandbox.faults.clear()
        connected.refresh_from_db()
    else:
        Integration.objects.update(paused_until=timezone.now() + timedelta(minutes=50))
    queued, _ = start_sync_run(integration=connected, trigger="schedule")

    run, _ = start_sync_run(integration=connected)

    assert (run.pk, run.trigger) == (queued.pk, "manual")
    work_off()
    run.refresh_from_db()
    assert run.state == "succeeded"


def test_the_hour_takes_no_sync_now_away(connected: Integration) -> None:
    dying = claimed(connected)
    cancel_sync_run(run=dying, actor=None)
    start_sync_run(integration=connected)
    connected.refresh_from_db()

    start_sync_run(integration=connected, trigger="schedule")

    assert RunWriter(dying).end("cancelled")
    run = SyncRun.objects.order_by("-queued_at")[0]
    assert (run.trigger, run.reading) == ("manual", "full")


def test_sync_now_after_a_cancel_is_carried_out(connected: Integration) -> None:
    dying = claimed(connected)
    cancel_sync_run(run=dying, actor=None)

    run, is_new = start_sync_run(integration=connected)

    assert (run.pk, is_new, run.followed_by) == (dying.pk, False, "manual")
    assert RunWriter(dying).end("cancelled")
    work_off()
    runs = SyncRun.objects.filter(trigger="manual").order_by("queued_at")
    assert list(runs.values_list("state", flat=True)) == ["cancelled", "succeeded"]


def test_who_cancels_takes_back_what_should_have_followed(connected: Integration) -> None:
    small = claimed(connected, "schedule")
    start_sync_run(integration=connected)

    cancel_sync_run(run=small, actor=None)

    assert RunWriter(small).end("cancelled")
    assert not SyncRun.objects.filter(state__in=SyncRun.ACTIVE_STATES).exists()
