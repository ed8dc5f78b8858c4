"""A refused form keeps what was typed, the secret too; without a script it says what is lost."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from audit_site.tenants.models import BrowserSession
from integrations.models import Integration
from integrations.runs.pausing import pause_integration
from integrations.sandbox.server import SandboxServer
from tests.browser.looking import IN_CHROMIUM, sign_in
from tests.factories import make_integration, make_member, make_tenant

pytestmark = IN_CHROMIUM

FIELDS = ("server_url", "company_id", "public_key", "private_key")


@pytest.fixture
def sandbox(settings: Any) -> Any:
    with SandboxServer(seed=1, companies=5) as server:
        for name, value in server.settings().items():
            setattr(settings, name, value)
        yield server


def at_the_form(chromium: Browser, base: str, **options: Any) -> Page:
    make_member(make_tenant(), email="admin@example.com")
    page = chromium.new_context(**options).new_page()
    sign_in(page, base, "admin@example.com")
    page.get_by_role("heading", name="Home", exact=True).wait_for()
    page.goto(f"{base}/integrations/connect/connectwise/")
    return page


def type_in(page: Page, keys: dict[str, str]) -> None:
    for name in FIELDS:
        page.locator(f"[name={name}]").fill(keys[name])


def save(page: Page) -> None:
    page.get_by_role("button", name="Save and test").click()


def test_a_typo_in_the_address_does_not_cost_the_key(
    chromium: Browser, live_server: object, sandbox: SandboxServer
) -> None:
    page, keys = at_the_form(chromium, live_server.url), sandbox.credentials("connectwise")
    type_in(page, {**keys, "server_url": "not a host!!"})
    save(page)

    server = page.get_by_label("Server")
    expect(page.get_by_text("This is no address of a server.")).to_be_visible()
    expect(server).to_be_focused()
    expect(server).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Private key")).to_have_value(keys["private_key"])
    server.fill(keys["server_url"])
    save(page)

    page.locator("#connection-status").wait_for()
    assert page.url.endswith(f"/integrations/{Integration.objects.get().pk}/")


def test_who_was_signed_out_meanwhile_is_told(
    chromium: Browser, live_server: object, sandbox: SandboxServer
) -> None:
    page = at_the_form(chromium, live_server.url)
    BrowserSession.objects.all().delete()

    type_in(page, sandbox.credentials("connectwise"))
    save(page)

    page.wait_for_url("**/accounts/login/**")
    sign_in_again = page.get_by_label("Password")
    expect(sign_in_again).to_be_visible()
    assert not Integration.objects.exists()


def test_without_a_connection_nothing_is_lost(
    chromium: Browser, live_server: object, sandbox: SandboxServer
) -> None:
    page, keys = at_the_form(chromium, live_server.url), sandbox.credentials("connectwise")
    type_in(page, keys)
    page.context.set_offline(True)

    save(page)

    expect(page.get_by_text("Nothing was sent: there is no connection.")).to_be_visible()
    expect(page.get_by_label("Private key")).to_have_value(keys["private_key"])


def test_without_a_script_it_says_what_has_to_be_typed_again(
    chromium: Browser, live_server: object, sandbox: SandboxServer
) -> None:
    page = at_the_form(chromium, live_server.url, java_script_enabled=False)
    keys = sandbox.credentials("connectwise")
    type_in(page, {**keys, "server_url": "not a host!!"})
    save(page)

    expect(page.get_by_text("Type it again: what is secret is never sent")).to_be_visible()
    expect(page.get_by_label("Private key")).to_have_value("")
    expect(page.get_by_label("Public key")).to_have_value(keys["public_key"])
    type_in(page, keys)
    save(page)
    expect(page.get_by_text("Testing the connection…")).to_be_visible()


def test_without_a_script_one_pauses_resumes_and_signs_out(
    chromium: Browser, live_server: object
) -> None:
    tenant = make_tenant()
    admin = make_member(tenant, email="admin@example.com", name="Alex Admin")
    integration = make_integration(tenant, name="Desk")
    pause_integration(integration=integration, actor=admin)
    page = chromium.new_context(
        java_script_enabled=False, viewport={"width": 360, "height": 800}
    ).new_page()
    sign_in(page, live_server.url, "admin@example.com")
    page.get_by_role("heading", name="Home", exact=True).wait_for()

    page.goto(f"{live_server.url}/integrations/")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Desk is resumed.")).to_be_visible()
    page.get_by_role("link", name="Desk").click()
    page.locator("summary", has_text="More").click()
    page.get_by_role("link", name="Pause…").click()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Desk is paused.")).to_be_visible()
    integration.refresh_from_db()
    assert integration.is_paused
    page.get_by_role("link", name="Menu").click()
    page.locator("summary", has_text="Alex Admin").click()
    page.get_by_role("link", name="Sign out").click()
    page.get_by_role("button", name="Sign Out").click()
    page.wait_for_url("**/accounts/login/**")
