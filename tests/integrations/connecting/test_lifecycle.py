"""Connecting and disconnecting: one integration for an account, and no keys left."""

from __future__ import annotations

import threading
import time

import pytest

from audit_site.errors import DomainError, FieldErrors
from audit_site.tenants.models import AuditEvent, Tenant
from integrations.connecting import lifecycle
from integrations.connecting.lifecycle import create_integration, disconnect_integration
from integrations.importing.import_companies import import_companies
from integrations.importing.linking import link_of
from integrations.models import Integration, SyncRun
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from integrations.sync.outcomes import succeed
from integrations.sync.run_writer import RunWriter
from tests.concurrency import at_once, in_a_thread
from tests.factories import make_integration, make_tenant
from tests.integrations.connecting.connections import connect
from tests.syncing import claimed
from tests.worker import work_off


@pytest.mark.parametrize(
    ("credentials", "errors"),
    [
        ({}, {"server_url", "company_id", "public_key", "private_key"}),
        (
            {"server_url": " ", "company_id": "a", "public_key": "b", "private_key": "c"},
            {"server_url"},
        ),
        (
            {
                "server_url": "x",
                "company_id": "a",
                "public_key": "b",
                "private_key": "c",
                "pin": "1",
            },
            {"pin"},
        ),
    ],
)
def test_missing_and_unknown_fields_are_named_and_nothing_is_saved(
    tenant: Tenant, credentials: dict[str, str], errors: set[str]
) -> None:
    with pytest.raises(FieldErrors) as caught:
        create_integration(tenant=tenant, actor=None, psa="connectwise", credentials=credentials)

    assert {entry["field"] for entry in caught.value.errors} == {f"credentials.{e}" for e in errors}
    assert not Integration.objects.exists()


def test_the_same_account_twice_is_refused_however_it_is_spelt(
    connected: Integration, sandbox: SandboxServer
) -> None:
    spelt = {**sandbox.credentials("connectwise"), "server_url": f" {sandbox.url.upper()}/x "}

    with pytest.raises(DomainError) as caught:
        create_integration(
            tenant=connected.tenant, actor=None, psa="connectwise", credentials=spelt
        )

    assert caught.value.code == "integration_exists"
    assert Integration.objects.count() == 1


def test_another_tenant_may_connect_the_same_account(
    connected: Integration, sandbox: SandboxServer, other_tenant: Tenant
) -> None:
    assert connect(other_tenant, sandbox).status == "connected"


def test_disconnecting_destroys_the_keys_and_reconnecting_revives_the_links(
    connected: Integration, sandbox: SandboxServer
) -> None:
    company = import_companies(integration=connected, external_ids=["20002"], actor=None).imported[
        0
    ]
    work_off()

    disconnect_integration(integration=connected, actor=None)

    connected.refresh_from_db()
    assert (connected.status, connected.memory) == ("disconnected", {})
    assert connected.credentials == {
        "server_url": sandbox.url,
        "company_id": "audit-demo",
        "public_key": "demo",
    }
    assert not link_of(company).is_active
    with pytest.raises(DomainError, match="is disconnected"):
        start_sync_run(integration=connected)
    revived = connect(connected.tenant, sandbox)
    assert revived.pk == connected.pk
    assert link_of(company).is_active


def test_who_did_what_is_kept(connected: Integration) -> None:
    disconnect_integration(integration=connected, actor=None)

    actions = list(AuditEvent.objects.values_list("action", flat=True).order_by("id"))
    assert actions == ["integration.connected", "integration.disconnected"]


@pytest.mark.django_db(transaction=True)
def test_two_people_who_connect_one_account_at_once_get_one(sandbox: SandboxServer) -> None:
    tenant = make_tenant()
    outcomes: list[str] = []

    def go() -> None:
        try:
            create_integration(
                tenant=tenant,
                actor=None,
                psa="connectwise",
                credentials=sandbox.credentials("connectwise"),
            )
            outcomes.append("made")
        except DomainError as error:
            outcomes.append(error.code)

    at_once(*[go] * 5)

    assert sorted(outcomes) == ["integration_exists"] * 4 + ["made"]
    assert Integration.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_disconnecting_while_a_run_ends_locks_nobody_out() -> None:
    integration = make_integration(make_tenant())
    run = claimed(integration)
    troubles: list[Exception] = []

    def slow(moment: str, subject: str) -> None:
        assert (moment, subject) == ("ended", "succeeded")
        time.sleep(0.5)

    def finish() -> None:
        try:
            succeed(RunWriter(run, slow))
        except Exception as error:  # noqa: BLE001  the test reads it
            troubles.append(error)

    thread = threading.Thread(target=in_a_thread(finish))
    thread.start()
    time.sleep(0.2)
    lifecycle.disconnect_integration(integration=integration, actor=None)
    thread.join()

    assert troubles == []
    integration.refresh_from_db()
    assert integration.status == "disconnected"


def test_connected_again_while_the_run_before_ends_the_list_is_read(
    connected: Integration, sandbox: SandboxServer
) -> None:
    Integration.objects.update(companies_read_at=None)  # it was the first run
    dying = claimed(connected)
    lifecycle.disconnect_integration(integration=connected, actor=None)
    lifecycle.create_integration(
        tenant=connected.tenant,
        actor=None,
        psa="connectwise",
        credentials=sandbox.credentials("connectwise"),
    )
    work_off()
    dying.refresh_from_db()
    assert (dying.state, dying.followed_by) == ("running", "connect")

    assert RunWriter(dying).end("cancelled")
    work_off()

    run = SyncRun.objects.order_by("-queued_at")[0]
    assert (run.trigger, run.state) == ("connect", "succeeded")
