"""The issues inbox in a real browser: read, filter, dismiss, read again, by keyboard too."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, expect

from audit_site.tenants.models import Role
from integrations.models import SyncRun
from tests.browser.looking import IN_CHROMIUM, seen_problems, sign_in
from tests.factories import (
    make_company,
    make_integration,
    make_issue,
    make_link,
    make_member,
    make_psa_company,
    make_tenant,
)

pytestmark = IN_CHROMIUM


def test_an_inbox_is_worked_through(
    chromium: Browser,
    live_server: object,
) -> None:
    tenant = make_tenant()
    make_member(tenant, Role.ADMIN, email="admin@example.com")
    integration, company = make_integration(tenant), make_company(tenant, name="Acme")
    make_link(company, integration, external_id="7")
    make_psa_company(integration, external_id="8", name="Only there")
    run = SyncRun.objects.create(tenant=tenant, integration=integration, state="partial")
    make_issue(
        integration,
        run,
        kind="companies",
        external_id="",
        code="too_many_gone",
        message="ConnectWise Manage no longer shows 38 of 40 companies.",
        fix="Check that the API user may see all companies, then press Read again.",
    )
    make_issue(integration, run, name="Only there", external_id="8", company_external_id="8")
    make_issue(integration, run, kind="lines", external_id="991", company_external_id="7")
    base = live_server.url
    troubles: list[str] = []
    for scheme in ("light", "dark"):
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda m: troubles.append(m.text) if m.type == "error" else None)
        sign_in(page, base, "admin@example.com")
        page.locator("#menu").get_by_role("link", name=re.compile("^Issues")).click()
        expect(page.locator(".tabs [aria-current]")).to_contain_text("Issues 3")
        assert seen_problems(page) == []
        page.get_by_role("link", name="Yes, they are gone…").click()
        expect(page.get_by_role("heading", name="Are they really gone?")).to_be_visible()
        assert seen_problems(page) == []
        page.set_viewport_size({"width": 390, "height": 800})
        page.get_by_role("link", name="Keep them").click()
        expect(page.locator(".tabs [aria-current]")).to_contain_text("Issues 3")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.set_viewport_size({"width": 1280, "height": 900})
        assert troubles == []

    page.get_by_role("button", name="Dismiss: Only there").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#messages").get_by_role("status")).to_contain_text("Dismissed.")
    expect(page.get_by_role("article", name="Only there")).to_have_count(0)
    page.get_by_label("State").select_option("dismissed")
    expect(page.get_by_role("article", name="Only there")).to_be_visible()
    assert seen_problems(page) == []
    page.get_by_role("button", name="Read again: Only there").click()
    expect(page.get_by_role("heading", name="Sync of ")).to_contain_text("Queued")
    assert [r.companies for r in SyncRun.objects.filter(scope="companies")] == [["8"]]
