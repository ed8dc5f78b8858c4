"""A run that a newer release has begun is left to workers of that release."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import (
    Integration,
    SyncRun,
)
from integrations.runs import leases
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from integrations.sync.checkpoint import is_newer
from integrations.sync.engine import run_sync
from tests.integrations.sync.checkpoints import left_by_release_0_1
from tests.worker import work_off

NEWER = {"version": 2, "done": {"companies": True}, "passed": "ten"}


@pytest.mark.parametrize(
    ("stored", "newer"),
    [({}, False), ({"version": 1}, False), ({"version": "x"}, False), ([], False),
     ({"version": 2}, True), (NEWER, True)],
)  # fmt: skip
def test_a_newer_version_is_known_by_its_number(stored: Any, newer: bool) -> None:
    assert is_newer(SyncRun(checkpoint=stored)) is newer


def test_a_run_of_a_newer_release_is_given_back(
    connected: Integration, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    run, _ = start_sync_run(integration=connected)
    left_by_release_0_1(run, NEWER)
    SyncRun.objects.filter(pk=run.pk).update(attempts=7)
    sandbox.forget_requests()
    began = timezone.now()

    with caplog.at_level(logging.WARNING, "integrations.sync.engine"):
        run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk))

    run.refresh_from_db()
    assert (run.state, run.attempts, run.checkpoint) == ("running", 7, NEWER)
    assert (run.lease_until, run.dispatched_at, run.waiting_for) == (None, None, "")
    assert timedelta(seconds=30) <= run.resume_at - began < timedelta(seconds=40)
    assert caplog.messages == [f"sync_left_to_newer_release run={run.pk} version=1"]
    assert sandbox.requests() == []
    rows = SyncRun.objects.filter(pk=run.pk)
    assert not rows.filter(leases.due(began + timedelta(seconds=20))).exists(), "no hot loop"
    assert rows.filter(leases.due(began + timedelta(seconds=45))).exists(), "it is sent again"


def test_a_cancelled_run_of_a_newer_release_ends_here(
    connected: Integration, sandbox: SandboxServer
) -> None:
    """Cancelled while a worker of the newer release held it, and no such worker is left."""
    run, _ = start_sync_run(integration=connected)
    left_by_release_0_1(run, NEWER)
    SyncRun.objects.filter(pk=run.pk).update(cancel_requested=True)
    sandbox.forget_requests()

    run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk))

    run.refresh_from_db()
    assert (run.state, run.error_code, run.checkpoint) == ("cancelled", "", NEWER)
    assert (run.lease_until, run.resume_at) == (None, None)
    assert run.finished_at is not None
    assert sandbox.requests() == []


def test_a_run_that_was_given_back_is_carried_out_by_the_newer_release(
    connected: Integration,
) -> None:
    run, _ = start_sync_run(integration=connected)
    left_by_release_0_1(run, NEWER)
    run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk))
    # what the newer release makes of it does not concern us; here it is readable again
    SyncRun.objects.filter(pk=run.pk).update(resume_at=timezone.now(), checkpoint={})

    work_off()

    run.refresh_from_db()
    assert (run.state, run.attempts) == ("succeeded", 2)
