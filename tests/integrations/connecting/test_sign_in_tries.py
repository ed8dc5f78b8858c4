"""A user that is locked after five wrong tries: nothing that may be one is repeated by itself."""

from __future__ import annotations

from typing import Any

import pytest

from audit_site.tenants.models import Tenant
from integrations.models import Integration
from integrations.sandbox.server import SandboxServer
from tests.conftest import connect
from tests.syncing import synced


@pytest.fixture
def bms(tenant: Tenant, sandbox: SandboxServer) -> Integration:
    return connect(tenant, sandbox, "kaseya_bms")


def test_a_sign_in_refused_in_an_unknown_form_is_one_try(
    bms: Integration, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("bad_keys", form="other")

    runs = [synced(bms, "schedule") for _ in range(4)]

    assert {(run.state, run.error_code) for run in runs} == {("failed", "invalid_credentials")}
    assert "in a form that can't be read (status 401)" in runs[0].error_message
    psa: Any = sandbox.psas["kaseya_bms"]
    assert psa.wrong_tries == {"audit-api": 1}
    bms.refresh_from_db()
    assert bms.status == "failing"


@pytest.mark.parametrize("form", ["json", "text", "html"])
def test_what_stands_in_front_of_all_paths_is_an_outage(
    bms: Integration, sandbox: SandboxServer, form: str
) -> None:
    sandbox.faults.switch_on("blocked", form=form)

    run = synced(bms, "schedule")

    assert (run.state, run.error_code) == ("failed", "psa_unavailable")
    psa: Any = sandbox.psas["kaseya_bms"]
    assert psa.wrong_tries.get("audit-api", 0) == 0
    bms.refresh_from_db()
    assert (bms.status, bms.paused_until is not None) == ("connected", True)
