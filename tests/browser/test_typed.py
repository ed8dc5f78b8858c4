"""Typing an agreement, its fate under a link, and the primary contact: on a phone without script."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import Browser, Page, expect

from agreements.models import Agreement
from companies.models import Company
from integrations.links.linking import link_company
from integrations.models import Integration
from integrations.sandbox.server import SandboxServer
from tests.browser.looking import IN_CHROMIUM, overflowing, seen_problems, sign_in
from tests.browser.test_without_script import seen_after_refreshing
from tests.conftest import connect
from tests.factories import (
    make_company,
    make_integration,
    make_member,
    make_psa_company,
    make_psa_contact,
    make_tenant,
    make_typed,
)

pytestmark = IN_CHROMIUM


def look(page: Page, name: str) -> None:
    """Keep a picture where `LOOK_AT` names a folder."""
    if folder := os.environ.get("LOOK_AT"):
        page.screenshot(path=f"{folder}/typed-{name}.png", full_page=True)


@pytest.fixture
def integration(transactional_db: None, sandbox: SandboxServer) -> Integration:
    """A connected ConnectWise, and who may use it; before the worker begins."""
    tenant = make_tenant(company_limit=30)
    make_member(tenant, email="admin@example.com", name="Alex Admin")
    return connect(tenant, sandbox, "connectwise")


def test_typed_linked_set_aside_counted_and_another_contact_chosen(
    chromium: Browser, live_server: object, integration: Integration, worker: None
) -> None:
    company = make_company(integration.tenant, name="Amber Vet")
    context = chromium.new_context(
        viewport={"width": 360, "height": 800}, java_script_enabled=False
    )
    page, base = context.new_page(), live_server.url
    sign_in(page, base, "admin@example.com")
    home = f"{base}/companies/{company.pk}/"

    page.goto(home)
    page.get_by_role("link", name="Type an agreement").click()
    page.get_by_label("Name").fill("Gold support")
    page.get_by_label("Amount").fill("1,200")
    page.get_by_label("Billed").select_option("annual")
    page.get_by_label("First day").fill("2026-01-01")
    page.get_by_label("Note").fill("Signed on paper")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("Write a number without separators")).to_be_visible()
    look(page, "refused")
    page.get_by_label("Amount").fill("1200.00")
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".figure")).to_have_text("USD 100.00")
    expect(page.get_by_text("Typed by hand")).to_be_visible()
    look(page, "counts")

    record = integration.psa_companies.filter(importable=True, contact_count__gt=1).order_by(
        "external_id"
    )[0]
    page.goto(f"{home}link/?integration={integration.pk}&external_id={record.external_id}&search=")
    page.get_by_role("button", name="Preview link").first.click()
    seen_after_refreshing(page, lambda: page.get_by_role("button", name="They are the same: link"))
    look(page, "preview")
    page.get_by_role("button", name="They are the same: link").click()
    seen_after_refreshing(
        page, lambda: page.get_by_role("button", name="Re-sync").and_(page.locator(":enabled"))
    )
    expect(page.get_by_text("Set aside", exact=True)).to_be_visible()
    expect(
        page.get_by_text("typed by hand, and set aside since ConnectWise Manage was linked on")
    ).to_be_visible()
    look(page, "set-aside")

    page.get_by_role("link", name="Decide whether it counts").click()
    page.get_by_label("Count it beside what the PSA has").check()
    page.get_by_label("Why").fill("Not in ConnectWise")
    look(page, "decide")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The figures follow it.")).to_be_visible()
    expect(page.locator("tr.part", has_text="USD 100.00")).to_be_visible()
    look(page, "counted")

    page.goto(home)
    page.get_by_role("link", name="Contacts", exact=True).click()
    button = page.get_by_role("button", name="Make primary").first
    who = button.inner_text().partition(": ")[2]
    button.click()
    expect(page.get_by_text(f"{who} is the primary contact now")).to_be_visible()
    expect(page.get_by_text("Chosen by Alex Admin on")).to_be_visible()
    look(page, "primary")


@pytest.fixture
def listed(transactional_db: None) -> Integration:
    tenant = make_tenant(company_limit=30)
    make_member(tenant, email="admin@example.com", name="Alex Admin")
    integration = make_integration(tenant)
    make_psa_company(integration, external_id="1", name="N" * 200, contact_count=3,
                     primary_contact_id="10")  # fmt: skip
    make_psa_contact(integration, "10", "1", phone="+1 555 0100")
    make_psa_contact(integration, "11", "1", first_name="B" * 120)
    make_psa_contact(integration, "12", "1", first_name="Cleo", email="")
    company = make_company(tenant, name="Amber Vet")
    make_typed(company, name="G" * 200, note="x" * 300)
    record = make_psa_company(integration, external_id="2")
    link_company(
        company=company, integration=integration, external_id=record.external_id, actor=None
    )
    return integration


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_nothing_reaches_out_of_the_window_and_axe_finds_nothing(
    chromium: Browser, live_server: object, listed: Integration, scheme: str, width: int
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    sign_in(page, live_server.url, "admin@example.com")
    page.get_by_role("heading", name="Home", exact=True).wait_for()
    agreement, company = Agreement.objects.get(), Company.objects.get()

    for name, path in {
        "company": f"companies/{company.pk}/",
        "add": f"companies/{company.pk}/agreements/add/",
        "edit": f"agreements/{agreement.pk}/edit/",
        "remove": f"agreements/{agreement.pk}/remove/",
        "decide": f"agreements/{agreement.pk}/decide/",
        "import": f"integrations/{listed.pk}/companies/link/?external_id=1",
    }.items():
        page.goto(f"{live_server.url}/{path}")
        look(page, f"{name}-{scheme}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert overflowing(page) == [], name
        assert seen_problems(page) == [], name
