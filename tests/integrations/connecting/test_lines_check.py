"""A right of its own: lines. Refused, everything else works, and MRR is said to be incomplete."""

from __future__ import annotations

from typing import Any

import pytest

from audit_site.tenants.models import Tenant
from integrations.connecting.health import health_now
from integrations.connecting.selectors import latest_of
from integrations.models import ConnectionTest, Integration, Issue, SyncRun
from integrations.sandbox.server import SandboxServer
from tests.conftest import connect
from tests.syncing import import_all, synced

LINES = {"connectwise": "/additions", "autotask": "Units/query"}


def found(integration: Integration) -> dict[str, Any]:
    test = ConnectionTest.objects.get(integration=integration)
    return {check["name"]: (check["ok"], check["seen"], check["code"]) for check in test.checks}


@pytest.mark.parametrize(
    ("psa", "seen"),
    [
        ("connectwise", {"read_companies": 40, "read_contacts": 127, "read_agreements": 64}),
        ("autotask", {"read_companies": 40, "read_contacts": 102, "read_agreements": 69}),
        ("kaseya_bms", {"read_companies": 40, "read_contacts": 118, "read_agreements": 62}),
    ],
)
def test_each_check_says_how_much_it_saw(
    tenant: Tenant, sandbox: SandboxServer, psa: str, seen: dict[str, int]
) -> None:
    checks = found(connect(tenant, sandbox, psa))

    assert {name: checks[name] for name in seen} == {
        name: (True, number, "ok") for name, number in seen.items()
    }
    assert checks["reach_server"] == checks["authenticate"] == (True, None, "ok")
    if psa == "kaseya_bms":
        assert "read_lines" not in checks
    else:
        ok, lines, code = checks["read_lines"]
        assert (ok, code, lines > 0) == (True, "ok", True)


@pytest.mark.parametrize("psa", ["connectwise", "autotask"])
def test_refused_lines_leave_the_test_passed_and_the_connection_limited(
    tenant: Tenant, sandbox: SandboxServer, psa: str
) -> None:
    sandbox.faults.switch_on("refused_right", path=LINES[psa])

    integration = connect(tenant, sandbox, psa)

    test = ConnectionTest.objects.get()
    assert (test.ok, test.code, integration.status) == (True, "lines_refused", "connected")
    assert found(integration)["read_lines"] == (False, None, "permission_denied")
    assert "MRR is incomplete" in test.message
    words = {"connectwise": "may not read additions", "autotask": "may not read services"}
    assert words[psa] in test.message
    assert ">" in test.fix
    health = health_now(integration, latest_of(integration))
    assert (health.state, health.fix) == ("limited", test.fix)


@pytest.mark.parametrize("psa", ["connectwise", "autotask"])
def test_a_run_names_lines_and_closes_the_issue_when_they_are_shown(
    tenant: Tenant, sandbox: SandboxServer, psa: str
) -> None:
    integration = connect(tenant, sandbox, psa)
    import_all(integration)
    sandbox.faults.switch_on("refused_right", path=LINES[psa])

    run = synced(integration)

    assert (run.state, run.error_code) == ("partial", "permission_denied")
    issue = Issue.objects.get(closed_at=None)
    assert (issue.code, issue.external_id) == ("permission_denied", "read_lines")
    assert "MRR is incomplete" in issue.message
    health = health_now(integration, latest_of(integration))
    assert (health.state, health.message) == ("limited", issue.message)
    sandbox.faults.clear()
    assert synced(integration).state == "succeeded"
    assert not Issue.objects.filter(closed_at=None).exists()
    assert health_now(integration, latest_of(integration)).state == "healthy"


def test_where_agreements_are_refused_lines_are_not_tried(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    integration = connect(tenant, sandbox, "connectwise", public_key="no-agreements")

    assert found(integration)["read_agreements"] == (False, None, "permission_denied")
    assert found(integration)["read_lines"] == (None, None, "")
    assert not SyncRun.objects.exists()


def test_a_psa_without_an_agreement_is_healthy_and_says_so(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("empty_answer", path="/finance/agreements")

    integration = connect(tenant, sandbox, "connectwise")

    test = ConnectionTest.objects.get()
    assert (test.ok, test.code) == (True, "ok")
    assert found(integration)["read_agreements"] == (None, 0, "sees_nothing")
    health = health_now(integration, latest_of(integration))
    assert health.state == "healthy"
    assert "It shows no agreements yet, so there is no MRR." in health.message


def test_a_run_knows_better_than_an_older_test_what_the_keys_see(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("empty_answer", path="/company/contacts")
    integration = connect(tenant, sandbox, "connectwise")
    limited = health_now(integration, latest_of(integration))
    sandbox.faults.clear()

    run = synced(integration)

    integration.refresh_from_db()
    assert (limited.state, run.state) == ("limited", "succeeded")
    assert "no contacts at all" in limited.message
    assert health_now(integration, latest_of(integration)).state == "healthy"
