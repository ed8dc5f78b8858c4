"""What an admin reads after Save, for each user of the sandboxes that lacks something."""

from __future__ import annotations

from typing import Any

import pytest

from audit_site.tenants.models import Tenant
from integrations.sandbox.server import SandboxServer
from tests.conftest import connect
from tests.worker import wait_out_tests

AT = "@audit-demo.example"
COMPANIES, CONTACTS, AGREEMENTS = "read_companies", "read_contacts", "read_agreements"
LINES = "read_lines"


@pytest.mark.parametrize(
    ("psa", "over", "code", "failed", "words"),
    [
        ("autotask", {"username": "nobody@x.example"}, "invalid_credentials", "reach_server", "Username (Key)"),
        ("autotask", {"secret": "wrong"}, "invalid_credentials", "authenticate", "not Locked"),
        ("autotask", {"tracking_identifier": "wrong"}, "invalid_credentials", "authenticate", "Tracking"),
        ("autotask", {"username": f"locked{AT}"}, "invalid_credentials", "authenticate", "not Locked"),
        ("autotask", {"username": f"no-companies{AT}"}, "permission_denied", COMPANIES, "Organizations"),
        ("autotask", {"username": f"no-contacts{AT}"}, "permission_denied", CONTACTS, "Contacts: View"),
        ("autotask", {"username": f"no-contracts{AT}"}, "permission_denied", AGREEMENTS, "Contract Visibility"),
        ("autotask", {"username": f"no-contracts-403{AT}"}, "permission_denied", AGREEMENTS, "Contract Visibility"),
        ("autotask", {"username": f"no-units{AT}"}, "lines_refused", LINES, "with Services and Bundles"),
        ("autotask", {"username": f"hidden-contacts{AT}"}, "permission_denied", CONTACTS, "Contacts: View"),
        ("autotask", {"username": f"hidden-contracts{AT}"}, "permission_denied", AGREEMENTS, "Contract Visibility"),
        ("autotask", {"username": f"hidden-units{AT}"}, "lines_refused", LINES, "with Services and Bundles"),
        ("autotask", {"username": f"no-costs{AT}"}, "ok", "", ""),
        ("connectwise", {"public_key": "no-additions"}, "lines_refused", LINES, "Finance > Agreements"),
        ("kaseya_bms", {"password": "wrong"}, "invalid_credentials", "authenticate", "five wrong tries"),
        ("kaseya_bms", {"tenant": "another MSP"}, "invalid_credentials", "authenticate", "region"),
        ("kaseya_bms", {"username": "employee"}, "mfa_required", "authenticate", "API Employee"),
        ("kaseya_bms", {"username": "no-accounts"}, "permission_denied", COMPANIES, "CRM > Accounts"),
        ("kaseya_bms", {"username": "no-contacts"}, "permission_denied", CONTACTS, "CRM > Contacts"),
        ("kaseya_bms", {"username": "no-contracts"}, "permission_denied", AGREEMENTS, "Finance > Contracts"),
        ("kaseya_bms", {"username": "no-contracts-200"}, "permission_denied", AGREEMENTS, "Finance > Contracts"),
        ("kaseya_bms", {"tenant": "HARBOR POINT it", "username": "AUDIT-API"}, "ok", "", ""),
    ],
)  # fmt: skip
def test_each_check_has_its_own_code_and_fix(
    tenant: Tenant,
    sandbox: SandboxServer,
    psa: str,
    over: dict[str, str],
    code: str,
    failed: str,
    words: str,
) -> None:
    integration = connect(tenant, sandbox, psa, **over)
    wait_out_tests()

    integration.refresh_from_db()
    test = integration.tests.get()
    checks: list[dict[str, Any]] = test.checks
    assert test.code == code
    passed = code in {"ok", "lines_refused"}
    assert (test.ok, integration.status) == (passed, "connected" if passed else "failing")
    broken = [check for check in checks if check["ok"] is False]
    if failed:
        assert [check["name"] for check in broken] == [failed]
        assert words in f"{broken[0]['message']} {broken[0]['fix']}"


@pytest.mark.parametrize(
    ("psa", "username", "check"),
    [
        ("kaseya_bms", "empty-contacts", CONTACTS),
        ("kaseya_bms", "empty-contracts", AGREEMENTS),
    ],
)
def test_empty_for_want_of_rights_is_a_warning_with_the_menu_path(
    tenant: Tenant, sandbox: SandboxServer, psa: str, username: str, check: str
) -> None:
    integration = connect(tenant, sandbox, psa, username=username)

    said = {one["name"]: one["message"] for one in integration.tests.get().checks}
    assert "at all. If there are some, allow" in said[check]
    assert integration.status == "connected"


def test_a_locked_user_differs_from_wrong_keys(tenant: Tenant, sandbox: SandboxServer) -> None:
    sandbox.faults.switch_on("locked")

    integration = connect(tenant, sandbox, "kaseya_bms")

    test = integration.tests.get()
    assert test.code == "account_locked"
    assert "30 minutes" in test.fix


def test_one_wrong_password_is_one_try(tenant: Tenant, sandbox: SandboxServer) -> None:
    """Five lock the user: a test, its checks and the worker's retries spend one."""
    connect(tenant, sandbox, "kaseya_bms", password="wrong")

    psa: Any = sandbox.psas["kaseya_bms"]
    assert psa.wrong_tries == {"audit-api": 1}
