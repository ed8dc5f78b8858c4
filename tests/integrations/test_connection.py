from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError

from audit_site.errors import DomainError, FieldErrors
from audit_site.tenants.models import AuditEvent, Tenant
from integrations.connecting import connection_test
from integrations.connecting.connection_test import run_connection_test, start_connection_test
from integrations.connecting.credentials import open_credentials
from integrations.connecting.lifecycle import (
    create_integration,
    disconnect_integration,
    update_integration,
)
from integrations.importing.import_companies import import_companies
from integrations.importing.linking import link_of
from integrations.models import ConnectionTest, Integration, Issue, SyncRun
from integrations.runs import leases
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from tests.worker import work_off


def connect(tenant: Tenant, sandbox: SandboxServer, **over: str) -> Integration:
    credentials = {**sandbox.credentials("connectwise"), **over}
    integration, _ = create_integration(
        tenant=tenant, actor=None, psa="connectwise", credentials=credentials
    )
    work_off()
    integration.refresh_from_db()
    return integration


def checks(integration: Integration) -> dict[str, Any]:
    test = integration.tests.order_by("-id").first()
    return {check["name"]: check["ok"] for check in test.checks}


def test_saving_tests_every_right_and_says_that_all_is_well(connected: Integration) -> None:
    test = ConnectionTest.objects.get()

    assert (test.state, test.ok, test.code) == ("done", True, "ok")
    assert test.message == "Everything checks out with ConnectWise Manage."
    assert checks(connected) == {
        "reach_server": True,
        "authenticate": True,
        "read_companies": True,
        "read_contacts": True,
        "read_agreements": True,
    }


@pytest.mark.parametrize(
    ("over", "code", "failed"),
    [
        ({"private_key": "wrong"}, "invalid_credentials", "authenticate"),
        ({"public_key": "nobody"}, "invalid_credentials", "authenticate"),
        ({"company_id": "other"}, "invalid_credentials", "reach_server"),
        ({"server_url": "http://127.0.0.1:1"}, "connection_refused", "reach_server"),
        ({"public_key": "no-companies"}, "permission_denied", "read_companies"),
        ({"public_key": "no-contacts"}, "permission_denied", "read_contacts"),
        ({"public_key": "no-agreements"}, "permission_denied", "read_agreements"),
        ({"public_key": "no-additions"}, "permission_denied", "read_agreements"),
    ],
)
def test_each_wrong_input_and_missing_right_fails_its_own_check(
    tenant: Tenant, sandbox: SandboxServer, over: dict[str, str], code: str, failed: str
) -> None:
    integration = connect(tenant, sandbox, **over)

    test = integration.tests.get()
    assert integration.status == "failing"
    assert (test.ok, test.code) == (False, code)
    assert test.fix
    assert [name for name, ok in checks(integration).items() if ok is False] == [failed]
    assert not SyncRun.objects.exists()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"name": "html_200"}, "not_a_psa_server"),
        ({"name": "redirect"}, "not_a_psa_server"),
        ({"name": "bad_gateway_html"}, "psa_unavailable"),
        ({"name": "server_error"}, "psa_unavailable"),
        ({"name": "rate_limited", "retry_after": 60}, "rate_limited"),
        ({"name": "dropped_connection"}, "psa_unavailable"),
        ({"name": "html_200", "path": "/companies"}, "psa_unavailable"),
        ({"name": "blocked"}, "psa_unavailable"),
        ({"name": "blocked", "path": "/company/companies"}, "psa_unavailable"),
        ({"name": "blocked", "path": "/contacts", "status": 406}, "psa_unavailable"),
        ({"name": "blocked", "path": "/agreements", "form": "json"}, "psa_unavailable"),
        ({"name": "truncated_json", "path": "/companies"}, "bad_response"),
        ({"name": "bad_keys", "form": "404"}, "invalid_credentials"),
        ({"name": "client_id"}, "client_id_refused"),
    ],
)
def test_each_bad_answer_has_its_own_code(
    tenant: Tenant, sandbox: SandboxServer, fault: dict[str, Any], code: str
) -> None:
    sandbox.faults.switch_on(**fault)

    integration = connect(tenant, sandbox)

    assert integration.tests.get().code == code
    assert integration.status == "failing"


def test_keys_that_see_no_table_and_no_contacts_are_told_so(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    no_tables = connect(tenant, sandbox, public_key="no-tables")

    assert no_tables.status == "connected"
    assert "billing cycle table can't be read" in no_tables.latest_test.message
    disconnect_integration(integration=no_tables, actor=None)
    empty = connect(tenant, sandbox, public_key="empty-contacts")
    assert "The keys see no contacts at all" in empty.latest_test.message


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


def test_new_keys_are_a_candidate_until_they_pass(
    connected: Integration, sandbox: SandboxServer
) -> None:
    test = update_integration(
        integration=connected, actor=None, credentials={"public_key": "no-tables"}
    )

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
    assert connected.candidate["credentials"] == {}
    assert connected.candidate_test.code == "invalid_credentials"
    assert connected.latest_test.ok
    run, _ = start_sync_run(integration=connected)
    work_off()
    run.refresh_from_db()
    assert run.state == "succeeded"


def test_only_the_newest_of_two_candidates_takes_over(
    connected: Integration, sandbox: SandboxServer
) -> None:
    first = update_integration(
        integration=connected, actor=None, credentials={"public_key": "no-tables"}
    )
    update_integration(integration=connected, actor=None, credentials={"public_key": "demo"})

    run_connection_test(tenant_id=str(first.tenant_id), test_id=str(first.pk))
    work_off()

    connected.refresh_from_db()
    first.refresh_from_db()
    assert first.code == "superseded"
    assert connected.credentials["public_key"] == "demo"
    assert connected.candidate is None


def test_newer_keys_are_not_replaced_by_an_older_candidate(connected: Integration) -> None:
    candidate = update_integration(
        integration=connected, actor=None, credentials={"public_key": "no-tables"}
    )
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
    candidate = update_integration(
        integration=connected, actor=None, credentials={"public_key": "no-tables"}
    )
    test = start_connection_test(integration=connected, actor=None)
    old = leases.claim(ConnectionTest, tenant_id=str(test.tenant_id), work_id=str(test.pk))
    run_connection_test(tenant_id=str(candidate.tenant_id), test_id=str(candidate.pk))

    connection_test._conclude(
        old, [connection_test._check("authenticate", ok=False, code="invalid_credentials")]
    )

    connected.refresh_from_db()
    test.refresh_from_db()
    assert (connected.status, connected.credentials["public_key"]) == ("connected", "no-tables")
    assert (test.state, test.code) == ("done", "invalid_credentials")
    assert not Issue.objects.exists()


def test_a_connection_to_the_database_that_is_cut_refuses_no_keys(
    connected: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = update_integration(
        integration=connected, actor=None, credentials={"public_key": "no-tables"}
    )
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
        update_integration(integration=connected, actor=None, credentials={"company_id": "other"})

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


def test_disconnecting_destroys_the_keys_and_reconnecting_revives_the_links(
    connected: Integration, sandbox: SandboxServer
) -> None:
    company = import_companies(integration=connected, external_ids=["20002"], actor=None).imported[
        0
    ]
    work_off()

    disconnect_integration(integration=connected, actor=None)

    connected.refresh_from_db()
    assert (connected.status, connected.credentials, connected.memory) == ("disconnected", {}, {})
    assert not link_of(company).is_active
    with pytest.raises(DomainError, match="is disconnected"):
        start_sync_run(integration=connected)
    revived = connect(connected.tenant, sandbox)
    assert revived.pk == connected.pk
    assert link_of(company).is_active


def test_a_second_test_while_one_is_under_way_is_that_one(connected: Integration) -> None:
    first = start_connection_test(integration=connected, actor=None)

    assert start_connection_test(integration=connected, actor=None).pk == first.pk


def test_a_page_that_was_open_while_somebody_disconnected_tests_nothing(
    connected: Integration,
) -> None:
    Integration.objects.update(status="failing")
    seen = Integration.objects.get()
    disconnect_integration(integration=connected, actor=None)
    tests = ConnectionTest.objects.count()

    with pytest.raises(DomainError, match="is disconnected"):
        start_connection_test(integration=seen, actor=None)

    assert Integration.objects.get().status == "disconnected"
    assert ConnectionTest.objects.count() == tests


def test_a_missing_encryption_key_is_explained_and_nothing_breaks(
    connected: Integration, settings: Any
) -> None:
    settings.CREDENTIAL_KEYS = "other:" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="

    start_connection_test(integration=connected, actor=None)
    run, _ = start_sync_run(integration=connected)
    work_off()

    run.refresh_from_db()
    assert connected.latest_test.code == "invalid_credentials"
    assert "encryption key" in connected.latest_test.message
    assert (run.state, run.error_code) == ("failed", "invalid_credentials")


def test_who_did_what_is_kept(connected: Integration) -> None:
    disconnect_integration(integration=connected, actor=None)

    actions = list(AuditEvent.objects.values_list("action", flat=True).order_by("id"))
    assert actions == ["integration.connected", "integration.disconnected"]


@pytest.mark.django_db(transaction=True)
def test_two_people_who_connect_one_account_at_once_get_one(sandbox: SandboxServer) -> None:
    from django.db import connections  # noqa: PLC0415

    from tests.factories import make_tenant  # noqa: PLC0415

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
        finally:
            connections.close_all()

    threads = [threading.Thread(target=go) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["integration_exists"] * 4 + ["made"]
    assert Integration.objects.count() == 1
