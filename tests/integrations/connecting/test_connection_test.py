"""The test of a connection: each wrong input and each missing right fails its own check."""

from __future__ import annotations

from typing import Any

import pytest

from audit_site.errors import DomainError
from audit_site.tenants.models import Tenant
from integrations.connecting import connection_test
from integrations.connecting.checks import check
from integrations.connecting.connection_test import start_connection_test
from integrations.connecting.lifecycle import disconnect_integration
from integrations.connecting.selectors import latest_of
from integrations.models import ConnectionTest, Integration, SyncRun
from integrations.runs import leases, schedule
from integrations.sandbox.server import SandboxServer
from tests.integrations.connecting.connections import checks, connect


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
        "read_lines": True,
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


def test_keys_that_see_no_table_and_no_contacts_are_said_to(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    no_tables = connect(tenant, sandbox, public_key="no-tables")

    assert no_tables.status == "connected"
    assert "billing cycle table can't be read" in latest_of(no_tables).test.message
    disconnect_integration(integration=no_tables, actor=None)
    empty = connect(tenant, sandbox, public_key="empty-contacts")
    assert "The keys see no contacts at all" in latest_of(empty).test.message


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


def test_a_test_that_finds_a_passing_trouble_leaves_the_schedule_alone(
    connected: Integration,
) -> None:
    test = connection_test.start_connection_test(integration=connected, actor=None)
    test = leases.claim(type(test), tenant_id=str(test.tenant_id), work_id=str(test.pk))
    away = check("reach_server", ok=False, code="not_a_psa_server", message="redirect")

    connection_test._conclude(test, [away])

    connected.refresh_from_db()
    assert connected.status == "connected"
    assert schedule.next_at(connected) is not None
