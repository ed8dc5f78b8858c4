"""Keys or the address change while a run is under way."""

from __future__ import annotations

from django.utils import timezone

from integrations.connecting.lifecycle import update_integration
from integrations.connecting.open_adapter import budget_of
from integrations.models import Integration, SyncRun
from integrations.psa.errors import PsaRefused
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from integrations.sync.outcomes import fail
from integrations.sync.run_writer import RunWriter
from tests.syncing import claimed, open_causes, synced
from tests.worker import work_off


def test_a_run_with_the_old_keys_says_nothing_about_the_new_ones(connected: Integration) -> None:
    run = claimed(connected)
    newer = {**connected.credentials, "public_key": "new"}
    Integration.objects.update(credentials=newer)

    fail(RunWriter(run), PsaRefused("invalid_credentials", "no"))

    connected.refresh_from_db()
    run.refresh_from_db()
    assert (connected.status, run.state, open_causes()) == ("connected", "running", [])


def test_memory_of_an_old_address_does_not_outlive_it(
    connected: Integration, sandbox: SandboxServer
) -> None:
    Integration.objects.update(memory={})
    old = sandbox.credentials("connectwise")["server_url"]
    new = old.replace("127.0.0.1", "localhost")

    def move_meanwhile(moment: str, subject: str) -> None:
        if (moment, subject) != ("phase", "rules"):
            return
        update_integration(
            integration=connected,
            actor=None,
            credentials={"server_url": new, "private_key": "demo-private"},
        )
        work_off()  # the test of the new address; the run under way is held
        Integration.objects.update(memory={})

    assert synced(connected, on_moment=move_meanwhile).state == "succeeded"

    connected.refresh_from_db()
    assert (connected.credentials["server_url"], connected.memory) == (new, {})


def test_a_run_that_began_with_other_keys_is_no_full_reading(
    connected: Integration, sandbox: SandboxServer
) -> None:
    """New keys may see other records."""
    sandbox.faults.switch_on("rate_limited", path="/company/contacts", retry_after=300)
    run = synced(connected)
    assert run.state == "running"
    sandbox.faults.clear()
    update_integration(
        integration=connected,
        actor=None,
        credentials={"public_key": "no-tables", "private_key": "demo-private"},
    )
    work_off()
    budget_of(connected).forget()
    SyncRun.objects.filter(pk=run.pk).update(resume_at=timezone.now())

    work_off()

    run.refresh_from_db()
    connected.refresh_from_db()
    assert (run.state, connected.credentials["public_key"]) == ("succeeded", "no-tables")
    assert (connected.full_pass_at, connected.watermarks) == (None, {})
    assert start_sync_run(integration=connected, trigger="schedule")[0].reading == "full"
