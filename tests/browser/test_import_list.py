"""Choosing companies in a real browser: over several pages, and by keyboard."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect

from audit_site.tenants.models import Role
from companies.models import Company
from integrations.models import Integration
from tests.browser.looking import IN_CHROMIUM, sign_in
from tests.factories import PASSWORD, make_integration, make_member, make_psa_company, make_tenant

pytestmark = IN_CHROMIUM


def list_of(count: int, room: int) -> Integration:
    tenant = make_tenant(company_limit=room)
    make_member(tenant, Role.MEMBER, email="member@example.com")
    integration = make_integration(tenant)
    for number in range(count):
        make_psa_company(integration, name=f"Firm {number:03}")
    return integration


def open_list(chromium: Browser, base: str, integration: Integration) -> Page:
    page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    sign_in(page, base, "member@example.com")
    page.wait_for_url("**/integrations/")
    page.goto(f"{base}/integrations/{integration.pk}/companies/")
    return page


def test_what_is_ticked_stays_ticked_on_other_pages(
    chromium: Browser,
    live_server: object,
) -> None:
    integration = list_of(60, room=4)
    page = open_list(chromium, live_server.url, integration)
    note, clear = page.locator("[data-chosen]"), page.get_by_role("button", name="Clear")

    expect(note).to_have_text("0 chosen, room for 4.")
    expect(clear).to_be_hidden()
    page.get_by_label("Import Firm 000").check()
    page.get_by_label("Import Firm 001").check()
    page.get_by_role("link", name="Next").click()
    expect(note).to_have_text("2 chosen, 2 on other pages, room for 4.")
    page.get_by_label("Import Firm 055").check()
    expect(note).to_have_text("3 chosen, 2 on other pages, room for 4.")
    page.get_by_role("link", name="Previous").click()
    expect(page.get_by_label("Import Firm 001")).to_be_checked()
    clear.click()
    expect(page.get_by_label("Choose all on this page")).to_be_focused()
    expect(note).to_have_text("0 chosen, room for 4.")
    expect(page.get_by_label("Import Firm 001")).not_to_be_checked()

    page.get_by_label("Import Firm 000").check()
    page.get_by_role("link", name="Next").click()
    page.get_by_label("Choose all on this page").check()
    expect(note).to_have_text("11 chosen, 1 on other pages, but your licence has room for 4.")
    page.get_by_role("button", name="Import chosen").click()
    expect(page.get_by_role("heading", name="Room for 4 of 11")).to_be_visible()
    page.get_by_role("link", name="Choose fewer").click()
    expect(note).to_have_text("11 chosen, 10 on other pages, but your licence has room for 4.")
    page.get_by_role("button", name="Import chosen").click()
    page.get_by_role("button", name="Import 4").click()
    expect(page.get_by_text("4 audITees are here now")).to_be_visible()
    names = list(Company.objects.order_by("name").values_list("name", flat=True))
    assert names == ["Firm 000", "Firm 050", "Firm 051", "Firm 052"]
    page.goto(f"{live_server.url}/integrations/{integration.pk}/companies/")
    expect(note).to_have_text("0 chosen, room for 0.")


def test_the_bar_stays_in_sight_while_ticking(chromium: Browser, live_server: object) -> None:
    page = open_list(chromium, live_server.url, list_of(60, room=4))

    for width, height in ((1280, 900), (390, 700)):
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("scrollTo(0, 0)")
        bar = page.locator(".sticky-actions").bounding_box()
        assert page.evaluate("document.documentElement.scrollHeight") > 2 * height
        assert bar is not None
        assert bar["y"] + bar["height"] <= height


def test_ticks_outlive_a_session_that_has_ended(
    chromium: Browser,
    live_server: object,
) -> None:
    integration = list_of(3, room=4)
    page = open_list(chromium, live_server.url, integration)
    page.get_by_label("Import Firm 001").check()
    page.context.clear_cookies(name="sessionid")

    page.get_by_role("button", name="Import chosen").click()
    page.get_by_label("E-mail").fill("member@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    expect(
        page.get_by_text("You had been signed out, so nothing was done. Do it again.")
    ).to_be_visible()
    expect(page.get_by_label("Import Firm 001")).to_be_checked()
    page.get_by_role("button", name="Import chosen").click()
    expect(page.get_by_text("1 audITee is here now")).to_be_visible()
    page.goto(f"{live_server.url}/integrations/{integration.pk}/companies/")
    expect(page.locator("[data-chosen]")).to_have_text("0 chosen, room for 3.")


def test_arrow_keys_in_a_filter_send_nothing(
    chromium: Browser,
    live_server: object,
) -> None:
    page = open_list(chromium, live_server.url, list_of(3, room=4))
    here, choice = page.url, page.get_by_label("Importable", exact=True)

    choice.focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_timeout(300)
    assert page.url == here
    expect(choice).to_be_focused()
    expect(choice).to_have_value("yes")
    page.get_by_role("button", name="Search").press("Enter")
    page.wait_for_url("**importable=yes**")
    page.get_by_label("Importable", exact=True).select_option("no")
    page.wait_for_url("**importable=no**")
