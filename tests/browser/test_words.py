"""Saying what a word means on a narrow screen without JavaScript, in light and in dark."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import Browser, Page, expect

from companies.models import Company
from integrations.models import Integration
from integrations.words.saying import say_word
from tests.browser.looking import IN_CHROMIUM, overflowing, seen_problems, sign_in
from tests.factories import make_agreement, make_company, make_integration, make_member, make_tenant

pytestmark = IN_CHROMIUM

LONG = "W" * 90


@pytest.fixture
def company(transactional_db: None) -> Company:
    """Two of its agreements are billed in words that nobody knows."""
    tenant = make_tenant(company_limit=30)
    actor = make_member(tenant, email="admin@example.com", name="Alex Admin")
    company, integration = make_company(tenant, name="Amber Vet"), make_integration(tenant)
    make_agreement(company, integration, cycle={"unknown": "Contract"}, amount="1200")
    make_agreement(company, integration, currency=LONG)
    say_word(
        integration=integration,
        actor=actor,
        kind="status",
        word="Gold",
        meaning="active",
        note="x" * 200,
    )
    return company


def look(page: Page, name: str) -> None:
    """Keep a picture where `LOOK_AT` names a folder."""
    if folder := os.environ.get("LOOK_AT"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_from_the_reason_to_the_figure_without_javascript_on_a_phone(
    chromium: Browser, live_server: object, company: Company
) -> None:
    context = chromium.new_context(
        viewport={"width": 360, "height": 800}, java_script_enabled=False
    )
    page = context.new_page()
    sign_in(page, live_server.url, "admin@example.com")

    page.goto(f"{live_server.url}/companies/{company.pk}/")
    page.get_by_role("link", name="Say what “Contract” means").click()
    look(page, "say")
    page.get_by_label("Means").select_option("annual")
    page.get_by_label("Why").fill("Asked Bo.")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_text("“Contract” means: Yearly.")).to_be_visible()
    look(page, "words")
    page.goto(f"{live_server.url}/companies/{company.pk}/mrr/")
    expect(page.get_by_text("USD 100.00").first).to_be_visible()
    expect(page.get_by_text('The billing cycle "Contract" means annual here').first).to_be_visible()
    look(page, "mrr")
    page.goto(f"{live_server.url}/integrations/{Integration.objects.get().pk}/words/")
    page.get_by_role("button", name="Undo what Contract means").click()
    expect(page.get_by_text("Taken back: nothing is said")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_nothing_reaches_out_of_the_window_and_axe_finds_nothing(
    chromium: Browser, live_server: object, company: Company, scheme: str, width: int
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    sign_in(page, live_server.url, "admin@example.com")
    page.get_by_role("heading", name="Home", exact=True).wait_for()
    words = f"{live_server.url}/integrations/{Integration.objects.get().pk}/words/"

    for path in ("", "say/?kind=cycle&word=Contract", f"say/?kind=currency&word={LONG}"):
        page.goto(words + path)
        look(page, f"{scheme}-{width}-{len(path)}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert overflowing(page) == [], path
        assert seen_problems(page) == [], path
