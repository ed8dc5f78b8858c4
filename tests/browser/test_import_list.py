"""Choosing companies in a real browser: all that match but some, the review, and the results."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from audit_site.tenants.models import Role
from companies.models import Company
from integrations.models import Integration
from tests.browser.looking import IN_CHROMIUM, seen_problems, sign_in
from tests.factories import PASSWORD, make_integration, make_member, make_psa_company, make_tenant
from tests.worker import work_off_imports

pytestmark = IN_CHROMIUM


def list_of(count: int, room: int) -> Integration:
    """So many companies in two connections of a tenant; the first of the two."""
    tenant = make_tenant(company_limit=room)
    make_member(tenant, Role.MEMBER, email="member@example.com")
    lists = [make_integration(tenant, name="East"), make_integration(tenant, name="West")]
    for number in range(count):
        make_psa_company(lists[number % 2], name=f"Firm {number:03}")
    make_psa_company(
        lists[0], name="Nobody here", importable=False, rule_codes=["no_contact"], contact_count=0
    )
    return lists[0]


def open_list(chromium: Browser, base: str, *, script: bool = True, width: int = 1280) -> Page:
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, java_script_enabled=script
    )
    page = context.new_page()
    sign_in(page, base, "member@example.com")
    page.get_by_role("heading", name="Home", exact=True).wait_for()
    page.goto(f"{base}/import/")
    return page


def test_all_that_match_but_two_are_reviewed_and_imported(
    chromium: Browser, live_server: object
) -> None:
    list_of(60, room=57)
    page = open_list(chromium, live_server.url)
    chosen = page.locator("[data-chosen]")

    expect(chosen).to_have_text("Room for 57 more")
    page.get_by_role("button", name="Select all 60 that match").click()
    expect(chosen).to_contain_text("60 chosen: 60 new · room for 57")
    page.get_by_label("Choose Firm 000").uncheck()
    expect(chosen).to_contain_text("59 chosen: 59 new")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_label("Choose Firm 055")).to_be_checked()
    page.get_by_label("Choose Firm 055").uncheck()
    expect(chosen).to_contain_text("58 chosen: 58 new")
    page.get_by_role("button", name="Previous").click()
    expect(page.get_by_label("Choose Firm 000")).not_to_be_checked()
    expect(page.get_by_label("Choose Firm 001")).to_be_checked()

    page.get_by_role("button", name="Review").click()
    expect(page.get_by_role("heading", name="Review", exact=True)).to_be_visible()
    expect(page.locator(".sticky-actions")).to_contain_text(
        "58 ticked: 58 new · room for 57, 1 too many"
    )
    assert seen_problems(page) == []
    page.get_by_label("Keep Firm 001").uncheck()
    expect(page.locator(".sticky-actions")).to_contain_text("57 ticked: 57 new · room for 57")
    expect(page.get_by_role("button", name="Unticked 1")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Keep Firm 001")).not_to_be_checked()
    page.get_by_role("button", name="Add 57").click()
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    work_off_imports()
    expect(page.get_by_text("57 of 57 done.")).to_be_visible(timeout=15_000)
    assert seen_problems(page) == []
    assert Company.objects.count() == 57
    assert not Company.objects.filter(name__in=["Firm 000", "Firm 001", "Firm 055"]).exists()
    page.goto(f"{live_server.url}/import/")
    expect(chosen).to_have_text("Room for 0 more")


def test_the_same_without_script_on_a_phone(chromium: Browser, live_server: object) -> None:
    list_of(60, room=70)
    page = open_list(chromium, live_server.url, script=False, width=360)

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_label("Choose Firm 003").check()
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Choose Firm 050").check()
    page.get_by_role("button", name="Review").click()
    expect(page.locator(".sticky-actions")).to_contain_text("2 ticked: 2 new · room for 70")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="Add 2").click()
    work_off_imports()
    page.get_by_role("link", name="Refresh").click()
    expect(page.get_by_text("2 of 2 done.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    names = Company.objects.order_by("name").values_list("name", flat=True)
    assert list(names) == ["Firm 003", "Firm 050"]


def test_a_page_is_ticked_at_once_and_a_fix_opens_in_its_row(
    chromium: Browser, live_server: object
) -> None:
    list_of(60, room=70)
    page = open_list(chromium, live_server.url)
    chosen = page.locator("[data-chosen]")

    page.get_by_label("Choose all on this page").check()
    expect(chosen).to_contain_text("50 chosen: 50 new")
    page.get_by_label("Choose Firm 001").uncheck()
    expect(chosen).to_contain_text("49 chosen: 49 new")
    page.get_by_role("button", name="Clear").click()
    expect(chosen).to_have_text("Room for 70 more")
    page.get_by_role("link", name="Hidden 1").click()
    expect(page.get_by_label("Choose Nobody here")).to_be_disabled()
    page.get_by_text("No contact", exact=True).click()
    expect(page.get_by_text("Add a contact with an e-mail address")).to_be_visible()
    page.get_by_role("button", name="Ignore Nobody here").click()
    expect(page.get_by_text("Ignored by")).to_be_visible()
    expect(page.get_by_role("link", name="Ignored 1")).to_be_visible()
    expect(page.get_by_role("link", name="Hidden 0")).to_be_visible()
    page.get_by_role("link", name="Linked 0").click()
    expect(page.locator("#chosen")).to_be_hidden()


def test_who_goes_on_while_a_tick_is_sent_sees_no_error(
    chromium: Browser, live_server: object
) -> None:
    list_of(3, room=70)
    page = open_list(chromium, live_server.url)
    troubles: list[str] = []
    page.on("console", lambda m: troubles.append(m.text) if m.type == "error" else None)
    by_script = {"never answered": 0}

    def hold(route: Route) -> None:
        if "hx-request" in route.request.headers:
            by_script["never answered"] += 1
        else:
            route.continue_()

    page.route("**/import/choose/", hold)
    page.get_by_label("Choose Firm 000").check()
    page.get_by_label("Choose Firm 001").check()
    page.get_by_role("button", name="Review").click()

    expect(page.locator(".sticky-actions")).to_contain_text("2 ticked: 2 new")
    assert (by_script["never answered"], troubles) == (2, [])


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 700)])
def test_the_bar_stays_in_sight_while_ticking(
    chromium: Browser, live_server: object, width: int, height: int
) -> None:
    list_of(60, room=4)
    page = open_list(chromium, live_server.url)

    page.set_viewport_size({"width": width, "height": height})
    page.evaluate("scrollTo(0, 0)")
    bar = page.locator(".sticky-actions").bounding_box()
    assert page.evaluate("document.documentElement.scrollHeight") > 2 * height
    assert bar is not None
    assert bar["y"] + bar["height"] <= height


def test_ticks_outlive_a_session_that_has_ended(chromium: Browser, live_server: object) -> None:
    list_of(3, room=4)
    page = open_list(chromium, live_server.url)
    page.get_by_label("Choose Firm 001").check()
    expect(page.locator("[data-chosen]")).to_contain_text("1 chosen")
    page.context.clear_cookies(name="sessionid")

    page.get_by_role("button", name="Review").click()
    page.get_by_label("E-mail").fill("member@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    expect(
        page.get_by_text("You had been signed out, so nothing was done. Do it again.")
    ).to_be_visible()
    expect(page.get_by_label("Choose Firm 001")).to_be_checked()
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_role("heading", name="Review", exact=True)).to_be_visible()
