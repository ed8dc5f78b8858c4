"""New keys are a candidate: they take over when they pass, and not before."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import InterfaceError, OperationalError

from audit_site.errors import DomainError
from audit_site.tenants.models import Tenant
from integrations.connecting import connection_test
from integrations.connecting.checks import check
from integrations.connecting.connection_test import run_connection_test, start_connection_test
from integrations.connecting.credentials import open_credentials
from integrations.connecting.lifecycle import update_integration
from integrations.connecting.selectors import latest_of
from integrations.models import ConnectionTest, Integration, Issue, SyncRun
from integrations.runs import leases
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from tests.integrations.connecting.connections import connect
from tests.worker import work_off

#: Another pair of keys of the same account.
NO_TABLES = {"public_key": "no-tables", "private_key": "demo-private"}


def test_new_keys_are_a_candidate_until_they_pass(
    connected: Integration, sandbox: SandboxServer
) -> None:
    test = update_integration(integration=connected, actor=None, credentials=NO_TABLES)

    assert test.is_candidate
    assert connected.candidate["state"] == "testing"
    assert connected.credentials["public_key"] == "demo"
    work_off()
    connected.refresh_from_db()
    assert connected.candidate is None
    assert connected.status == "connected"
    assert open_credentials(connected, connected.credentials)["public_key"] == "no-tables"
    assert open_credentials(connected, connected.credentials)["private_key"] == "demo-private"


def test_refused_new_keys_leave_the_old_ones_working(
    connected: Integration, sandbox: SandboxServer
) -> None:
    update_integration(integration=connected, actor=None, credentials={"private_key": "wrong"})
    work_off()
    connected = Integration.objects.get()

    assert connected.status == "connected"
    assert connected.candidate["state"] == "refused"
    assert connected.candidate["credentials"] == {
        "server_url": sandbox.url,
        "company_id": "audit-demo",
        "public_key": "demo",
    }
    assert latest_of(connected).candidate_test.code == "invalid_credentials"
    assert latest_of(connected).test.ok
    run, _ = start_sync_run(integration=connected)
    work_off()
    run.refresh_from_db()
    assert run.state == "succeeded"


def test_only_the_newest_of_two_candidates_takes_over(
    connected: Integration, sandbox: SandboxServer
) -> None:
    first = update_integration(integration=connected, actor=None, credentials=NO_TABLES)
    update_integration(integration=connected, actor=None, credentials={"public_key": "demo"})

    run_connection_test(tenant_id=str(first.tenant_id), test_id=str(first.pk))
    work_off()

    connected.refresh_from_db()
    first.refresh_from_db()
    assert first.code == "superseded"
    assert connected.credentials["public_key"] == "demo"
    assert connected.candidate is None


def test_newer_keys_are_not_replaced_by_an_older_candidate(connected: Integration) -> None:
    candidate = update_integration(integration=connected, actor=None, credentials=NO_TABLES)
    Integration.objects.update(status="failing")  # a run has found the old keys refused

    update_integration(integration=connected, actor=None, credentials={"public_key": "demo"})
    work_off()

    connected.refresh_from_db()
    candidate.refresh_from_db()
    assert (connected.status, connected.candidate) == ("connected", None)
    assert connected.credentials["public_key"] == "demo"
    assert candidate.code == "superseded"


def test_a_test_of_old_keys_says_nothing_of_new_ones_that_passed_meanwhile(
    connected: Integration, sandbox: SandboxServer
) -> None:
    candidate = update_integration(integration=connected, actor=None, credentials=NO_TABLES)
    test = start_connection_test(integration=connected, actor=None)
    old = leases.claim(ConnectionTest, tenant_id=str(test.tenant_id), work_id=str(test.pk))
    run_connection_test(tenant_id=str(candidate.tenant_id), test_id=str(candidate.pk))

    connection_test._conclude(old, [check("authenticate", ok=False, code="invalid_credentials")])

    connected.refresh_from_db()
    test.refresh_from_db()
    assert (connected.status, connected.credentials["public_key"]) == ("connected", "no-tables")
    assert (test.state, test.code) == ("done", "invalid_credentials")
    assert not Issue.objects.exists()


def test_a_connection_to_the_database_that_is_cut_refuses_no_keys(
    connected: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = update_integration(integration=connected, actor=None, credentials=NO_TABLES)
    cut = [OperationalError("cut"), InterfaceError("cut")]
    note = connection_test._note

    def note_if_connected(*args: Any) -> Any:
        if cut:
            raise cut.pop()
        return note(*args)

    monkeypatch.setattr(connection_test, "_note", note_if_connected)

    for error in (InterfaceError, OperationalError):
        with pytest.raises(error):
            work_off()
        ConnectionTest.objects.filter(pk=candidate.pk).update(lease_until=None)
    work_off()

    connected.refresh_from_db()
    candidate.refresh_from_db()
    assert (candidate.ok, connected.candidate) == (True, None)
    assert connected.credentials["public_key"] == "no-tables"


def test_a_connected_account_does_not_become_another_one(connected: Integration) -> None:
    with pytest.raises(DomainError) as caught:
        update_integration(
            integration=connected,
            actor=None,
            credentials={"company_id": "other", "private_key": "demo-private"},
        )

    assert caught.value.code == "account_changed"


def test_a_failing_connection_takes_what_is_typed_at_once(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    integration = connect(tenant, sandbox, private_key="wrong", company_id="typo")

    update_integration(
        integration=integration, actor=None, credentials=sandbox.credentials("connectwise")
    )
    work_off()

    integration.refresh_from_db()
    assert integration.status == "connected"
    assert SyncRun.objects.get().trigger == "connect"
