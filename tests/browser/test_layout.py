"""Names without a blank, as long as they can be, and narrow screens: nothing is out of sight."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from agreements.decisions import choose
from audit_site.tenants.models import Invitation
from audit_site.tenants.tokens import create_api_token
from integrations.issues.inbox import IssueReport, raise_issues
from tests.browser.looking import IN_CHROMIUM, overflowing, sign_in
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_invitation,
    make_link,
    make_member,
    make_psa_company,
    make_tenant,
)

pytestmark = IN_CHROMIUM

LONG = "W" * 250


def is_within(page: Page, selector: str) -> bool:
    box = page.locator(selector).first.bounding_box()
    width = page.evaluate("innerWidth")
    return box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width


def open_pages(chromium: Browser, base: str, width: int) -> Page:
    page = chromium.new_context(viewport={"width": width, "height": 900}).new_page()
    sign_in(page, base, "admin@example.com")
    page.get_by_role("heading", name="Home", exact=True).wait_for()
    return page


@pytest.mark.parametrize("width", [1280, 360])
def test_names_without_a_blank_widen_no_page(
    chromium: Browser,
    live_server: object,
    width: int,
) -> None:
    tenant = make_tenant(company_limit=30)
    make_member(tenant, email="admin@example.com")
    integration = make_integration(tenant, name=LONG)
    company = make_company(tenant, name=LONG)
    make_link(company, integration, external_id="7")
    other = make_company(tenant, name=LONG)
    make_psa_company(integration, external_id="7", name=LONG)
    make_psa_company(integration, external_id="8", name=LONG)
    raise_issues(integration, [IssueReport("company", "inactive", LONG, LONG, "7", LONG, "7")])
    agreement = make_agreement(company, integration)
    choose(agreement=agreement, actor=None, changes={"exclude": True}, note="x" * 900)
    admin = make_member(tenant, email=f"{LONG[:60]}@example.com", name=LONG[:150])
    invited = {"name": LONG[:150], "email": f"{LONG[:62]}@example.com", "invited_by": admin}
    make_invitation(tenant, "good", **invited)
    over = make_invitation(tenant, "over", **{**invited, "email": f"{LONG[:63]}@example.com"})
    Invitation.objects.filter(pk=over.pk).update(expires_at=over.created_at)
    token, _ = create_api_token(tenant=tenant, user=admin, scopes=["read"], name=LONG[:100])
    base = live_server.url
    page = open_pages(chromium, base, width)

    for path in (
        "/",
        "/activity/",
        "/issues/",
        f"/companies/{company.pk}/contacts/",
        f"/companies/{company.pk}/psa/",
        f"/companies/{company.pk}/history/",
        "/integrations/",
        f"/integrations/{integration.pk}/",
        f"/integrations/{integration.pk}/setup/",
        f"/integrations/{integration.pk}/activity/",
        "/import/?tab=all",
        "/import/batches/",
        f"/integrations/{integration.pk}/companies/missing/?q=WWW",
        f"/integrations/{integration.pk}/issues/",
        f"/integrations/{integration.pk}/disconnect/",
        "/sync-runs/",
        "/companies/",
        f"/companies/{company.pk}/",
        f"/companies/{company.pk}/archive/",
        f"/companies/{other.pk}/link/",
        f"/companies/{other.pk}/link/?integration={integration.pk}&external_id=8",
        f"/companies/{company.pk}/edit/",
        f"/agreements/{agreement.pk}/decide/",
        "/account/people/",
        f"/account/people/{admin.pk}/",
        f"/account/people/{admin.pk}/remove/",
        f"/account/people/{over.pk}/",
        "/account/leave/",
        "/account/settings/",
        "/account/invitation/good/",
        "/account/invitation/over/",
        "/account/tokens/",
        f"/account/tokens/{token.pk}/revoke/",
        "/account/audit/",
    ):
        page.goto(base + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert overflowing(page) == [], path
    page.goto(f"{base}/companies/")
    named = page.locator("td:has(> a > strong)").first.bounding_box()
    assert named is not None
    assert named["width"] >= 160  # a word is not cut as long as it is no longer than usual
    page.goto(f"{base}/agreements/{agreement.pk}/decide/")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    if width > 1000:
        assert is_within(page, "button:text('Undo')")


def test_a_phone_shows_whether_a_company_can_be_imported(
    chromium: Browser,
    live_server: object,
) -> None:
    tenant = make_tenant(company_limit=30)
    make_member(tenant, email="admin@example.com")
    integration = make_integration(tenant)
    make_psa_company(integration, name="Ready")
    make_psa_company(integration, name="Zero", importable=False, rule_codes=["no_contact"])
    page = open_pages(chromium, live_server.url, 390)

    page.goto(f"{live_server.url}/import/?tab=all")

    assert is_within(page, "td :text('Becomes a new audITee')")
    assert is_within(page, "td summary:text('No contact')")
    assert is_within(page, "[data-choose-all]")
    page.emulate_media(color_scheme="dark")
    styles = page.locator("[name=ticked]").evaluate_all(
        "boxes => boxes.map((box) => getComputedStyle(box).borderTopStyle)"
    )
    assert styles == ["solid", "dashed"]


def test_who_is_refused_goes_on_at_the_first_field_to_mend(
    chromium: Browser,
    live_server: object,
) -> None:
    make_member(make_tenant(), email="admin@example.com")
    page = open_pages(chromium, live_server.url, 1280)

    page.goto(f"{live_server.url}/integrations/connect/connectwise/")
    page.get_by_label("Server").fill("psa.example")
    page.get_by_label("Public key").fill("a")
    page.get_by_role("button", name="Save and test").click()

    expect(page.get_by_text("Private key is needed.")).to_be_visible()
    expect(page.get_by_label("Company ID")).to_be_focused()
    expect(page.get_by_label("Public key")).to_have_value("a")
