"""The main job in a browser that runs no script: everything works, and nothing is there that can't."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Browser, Locator, Page, expect

from companies.models import Company
from integrations.sandbox.server import SandboxServer
from tests.browser.looking import IN_CHROMIUM, sign_in
from tests.factories import make_company, make_member, make_tenant

pytestmark = IN_CHROMIUM


def seen_after_refreshing(page: Page, what: Callable[[], Locator]) -> None:
    """Press Refresh, as a person does, until it is there."""
    for _ in range(60):
        if what().is_visible():
            return
        page.wait_for_timeout(250)
        refresh = page.get_by_role("link", name="Refresh")
        if refresh.count():
            refresh.first.click()
        else:
            page.reload()
    expect(what()).to_be_visible()


def test_from_connecting_to_signing_out_without_script(
    chromium: Browser, live_server: object, sandbox: SandboxServer, worker: None
) -> None:
    tenant = make_tenant(company_limit=30)
    make_member(tenant, email="admin@example.com")
    ours = make_company(tenant, name="By hand")
    context = chromium.new_context(
        java_script_enabled=False, viewport={"width": 1280, "height": 900}
    )
    page, base = context.new_page(), live_server.url

    sign_in(page, base, "admin@example.com")
    page.get_by_role("link", name="Integrations").click()
    page.get_by_role("region", name="ConnectWise Manage").get_by_role(
        "link", name="Connect"
    ).click()
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    for name, value in sandbox.credentials("connectwise").items():
        page.locator(f"[name={name}]").fill(value)
    page.get_by_role("button", name="Save and test").click()
    seen_after_refreshing(page, lambda: page.get_by_text("nothing has been imported").first)

    list_address = f"{base}/import/"
    page.goto(list_address)
    expect(page.get_by_label("Choose all on this page")).to_be_hidden()
    expect(page.locator("tbody tr").first).to_contain_text("Becomes a new audITee")
    page.locator("tbody input[type=checkbox]").first.check()
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Add 1").click()
    seen_after_refreshing(page, lambda: page.get_by_text("1 of 1 done."))

    page.goto(f"{list_address}?search=nobody+here")
    page.get_by_role("link", name="Ask ConnectWise Manage for “nobody here”").click()
    expect(page.get_by_text("showed no company that has the id “nobody here”")).to_be_visible()

    page.goto(f"{base}/companies/{ours.pk}/link/?search=")
    page.get_by_role("button", name="Preview link").first.click()
    seen_after_refreshing(page, lambda: page.get_by_role("button", name="They are the same: link"))
    page.get_by_role("button", name="They are the same: link").click()
    seen_after_refreshing(
        page, lambda: page.get_by_role("button", name="Re-sync").and_(page.locator(":enabled"))
    )
    imported = Company.objects.exclude(pk=ours.pk).get()
    page.goto(f"{base}/companies/{imported.pk}/mrr/")
    expect(page.get_by_role("heading", name="MRR of ")).to_be_visible()
    page.get_by_role("link", name="Show the movement and the months").click()
    expect(page.get_by_role("heading", name="over time")).to_be_visible()
    page.goto(f"{base}/mrr/")
    page.get_by_role("link", name=re.compile("^Show (the movement|what counted)")).click()
    expect(page.get_by_role("heading", name="MRR over time")).to_be_visible()

    page.locator(".person-menu summary").click()
    expect(page.get_by_role("button", name="Dark")).to_be_hidden()
    page.get_by_role("link", name="Sign out").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
