"""What a test of a connection found."""

from __future__ import annotations

from typing import Any

from audit_site.tenants.models import Tenant
from integrations.connecting.lifecycle import create_integration
from integrations.models import Integration
from integrations.sandbox.server import SandboxServer
from tests.worker import wait_out_tests, work_off


def connect(tenant: Tenant, sandbox: SandboxServer, **over: str) -> Integration:
    credentials = {**sandbox.credentials("connectwise"), **over}
    integration, _ = create_integration(
        tenant=tenant, actor=None, psa="connectwise", credentials=credentials
    )
    work_off()
    wait_out_tests()
    integration.refresh_from_db()
    return integration


def checks(integration: Integration) -> dict[str, Any]:
    test = integration.tests.order_by("-id").first()
    return {check["name"]: check["ok"] for check in test.checks}
