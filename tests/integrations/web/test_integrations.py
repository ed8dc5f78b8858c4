"""Settings of an integration: connect, and who may not."""

from __future__ import annotations

import pytest

from audit_site.tenants.models import Tenant, User
from integrations.models import Integration, SyncRun
from integrations.psa import registry
from integrations.sandbox.server import SandboxServer
from tests.clients import browser, text
from tests.factories import make_integration, make_member
from tests.worker import work_off


def test_an_admin_connects_and_sees_each_check(alex: User, sandbox: SandboxServer) -> None:
    client = browser(alex)

    saved = client.post(
        "/integrations/connect/connectwise/", sandbox.credentials("connectwise"), follow=True
    )

    assert "Testing the connection" in text(saved)
    assert "hx-trigger" in text(saved)
    assert "demo-private" not in text(saved)
    work_off()
    address = f"/integrations/{Integration.objects.get().pk}/"
    status = client.get(f"{address}status/?part=first")
    assert "40 companies found, nothing imported." in text(status)
    assert text(status).count("passed") == 6
    assert "hx-trigger" not in text(status)
    assert ">Overview</a>" not in text(saved)
    assert ">Overview</a>" in text(client.get(address))


def test_what_is_missing_is_said_at_its_field(alex: User) -> None:
    answer = browser(alex).post("/integrations/connect/connectwise/", {"server_url": "x"})

    assert answer.status_code == 422
    assert "Private key is needed." in text(answer)
    assert not Integration.objects.exists()


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_who_is_no_admin_sees_disabled_inputs_and_whom_to_ask(
    alex: User, tenant: Tenant, role: str
) -> None:
    integration = make_integration(tenant)
    client = browser(make_member(tenant, role))

    page = text(client.get(f"/integrations/{integration.pk}/setup/"))
    refused = client.post(f"/integrations/{integration.pk}/", {"name": "Mine"})

    assert "Please ask your account administrator" in page
    assert alex.name in page
    assert page.count("disabled") == 9
    assert "Save and test" not in page
    assert refused.status_code == 403
    assert alex.email in text(refused)
    integration.refresh_from_db()
    assert integration.name != "Mine"


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("sync/", "viewer"),
        ("test/", "viewer"),
        ("companies/review/", "viewer"),
        ("disconnect/", "member"),
    ],
)
def test_the_server_refuses_what_a_role_may_not(tenant: Tenant, path: str, role: str) -> None:
    integration = make_integration(tenant)

    answer = browser(make_member(tenant, role)).post(f"/integrations/{integration.pk}/{path}")

    assert answer.status_code == 403
    assert not SyncRun.objects.exists()


@pytest.mark.parametrize("psa", sorted(registry.adapters()))
def test_the_guide_leads_to_the_vendors_own_help(alex: User, psa: str) -> None:
    info = registry.get_adapter(psa).info

    page = text(browser(alex).get(f"/integrations/connect/{psa}/"))

    assert f'<a href="{info.help_url}" rel="noopener noreferrer" target="_blank">Read more' in page
    assert info.help_url.startswith("https://")


def test_another_account_is_connected_by_admins_alone(
    alex: User, vic: User, tenant: Tenant
) -> None:
    make_integration(tenant)

    assert text(browser(alex).get("/integrations/")).count("Connect another account") == 1
    assert "Connect another account" not in text(browser(vic).get("/integrations/"))
