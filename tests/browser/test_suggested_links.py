"""Suggested links as a member confirms them: by day and by night, on a phone, without script.

With `PICTURES=1` in the environment its pages are photographed into docs/screenshots.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from agreements import stored_mrr
from companies.models import Company
from integrations.matching.batches import carry_undo_out
from integrations.matching.confirming import confirm_pairs
from integrations.matching.pairs import AskedPair
from integrations.models import CompanyLink, Integration, LinkSuggestion
from tests.browser.looking import IN_CHROMIUM, look, sign_in
from tests.factories import (
    make_agreement,
    make_integration,
    make_link,
    make_member,
    make_psa_company,
    make_psa_contact,
    make_tenant,
)
from tests.integrations.matching.suggestions import matched, pair
from tests.worker import work_off_imports

pytestmark = IN_CHROMIUM


@pytest.fixture
def account() -> Integration:
    """An account whose companies are like four audITees, three of them surely."""
    integration = make_integration(make_tenant(name="Harbour IT"), name="ConnectWise Manage")
    pair(integration, "Amber Vet", "AMBER VET, Inc.", email="ada@ambervet.com", phone="2125550142")
    pair(integration, "Zephyr Legal", "Zephyr Legal LLC", email="eva@zephyr.legal")
    pair(integration, "Müller & Söhne", "Mueller und Soehne GmbH", email="max@mueller-soehne.de")
    pair(integration, "Brightwater Roofing", "Brightwatr Roofing")
    matched(integration.tenant)
    make_member(integration.tenant, "member", email="mia@example.com")
    return integration


def walk(page: Page, base: str, look_at: Callable[[Page, str], None]) -> None:
    """From the tab over the review to the undo of all."""
    page.goto(f"{base}/link-suggestions/")
    expect(page.get_by_role("link", name="Suggested links 4")).to_be_visible()
    expect(page.get_by_text("92 of 100: same name; same e-mail domain")).to_have_count(2)
    page.get_by_role("button", name="Not the same Brightwatr Roofing").click()
    expect(page.get_by_text("1 suggestion is dismissed")).to_be_visible()
    expect(page.get_by_role("link", name="Suggested links 3")).to_be_visible()
    page.get_by_text("Not the same (1)").click()
    expect(page.get_by_role("button", name="Take back Brightwatr Roofing")).to_be_visible()
    look_at(page, "suggested-links")
    page.get_by_role("link", name="Another audITee… AMBER VET, Inc.").click()
    expect(page.get_by_role("heading", name="Which audITee is AMBER VET, Inc.?")).to_be_visible()
    look_at(page, "link-record")
    page.go_back()

    page.get_by_role("button", name="Select all 3 that match").click()
    page.get_by_role("button", name="Review", exact=True).click()
    bar = page.locator(".sticky-actions")
    expect(bar).to_contain_text("3 ticked: 3 links")
    look_at(page, "suggested-links-review")
    page.get_by_label("Keep Zephyr Legal LLC").uncheck()
    page.get_by_role("button", name=re.compile("^Unticked")).click()
    expect(page.get_by_label("Keep Zephyr Legal LLC")).not_to_be_checked()
    expect(page.get_by_label("Keep AMBER VET, Inc.")).to_have_count(0)
    expect(bar).to_contain_text("2 ticked: 2 links")
    page.get_by_role("button", name="Link 2").click()
    work_off_imports()
    page.goto(page.url)
    expect(page.get_by_text("2 of 2 done.")).to_be_visible()

    page.get_by_text("Undo…", exact=True).first.click()
    page.get_by_role("button", name="Undo this import").click()
    work_off_imports()
    page.goto(page.url)
    expect(page.get_by_text("2 of 2 undone today")).to_be_visible()
    look_at(page, "suggested-links-done")
    page.get_by_role("link", name="Past imports and links").click()
    expect(page.locator(".mark", has_text="Undone")).to_be_visible()
    look_at(page, "past-imports-and-links")
    assert CompanyLink.objects.in_force().count() == 0
    assert set(Company.objects.values_list("name", flat=True)) == {
        "Amber Vet",
        "Brightwater Roofing",
        "Müller & Söhne",
        "Zephyr Legal",
    }
    page.goto(f"{base}/companies/{Company.objects.get(name='Zephyr Legal').pk}/psa/")
    expect(page.get_by_text("Looks like Zephyr Legal LLC")).to_be_visible()
    look_at(page, "audITee-suggestion")


@pytest.mark.parametrize("has_script", [True, False])
def test_suggested_links(
    chromium: Browser, live_server: object, account: Integration, has_script: bool
) -> None:
    page = chromium.new_context(java_script_enabled=has_script).new_page()
    base = live_server.url
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda m: troubles.append(m.text) if m.type == "error" else None)
    sign_in(page, base, "mia@example.com")

    walk(page, base, look if has_script else lambda page, name: None)

    assert troubles == []


@pytest.fixture
def moving() -> CompanyLink:
    """An audITee of one account, and a company of another one that is surely the same."""
    tenant = make_tenant(name="Harbour IT")
    old = make_integration(tenant, name="ConnectWise Manage")
    new = make_integration(tenant, name="Autotask", psa="autotask")
    company, record = pair(old, "Amber Vet", email="ada@ambervet.com", phone="2125550142")
    make_agreement(company, old, amount="1200", cycle="monthly")
    stored_mrr.refresh(tenant, [company.pk])
    there = make_psa_company(new, name="Amber Vet Inc", external_id="5007")
    make_psa_contact(new, "c5007", there.external_id, email="ada@ambervet.com", phone="2125550142")
    make_member(tenant, "admin", email="alex@example.com")
    return make_link(company, old, external_id=record.external_id)


def test_a_move(chromium: Browser, live_server: object, moving: CompanyLink) -> None:
    page, base = chromium.new_context().new_page(), live_server.url
    sign_in(page, base, "alex@example.com")
    page.goto(f"{base}/integrations/{moving.integration_id}/setup/")
    page.get_by_label("Move to").select_option(label="Autotask")
    page.get_by_role("button", name="Propose moves").click()
    expect(page.get_by_text("proposals are being worked out")).to_be_visible()
    matched(moving.tenant)
    page.get_by_role("link", name="Reload").last.click()

    expect(page.get_by_role("heading", name="Proposed moves")).to_be_visible()
    expect(page.get_by_text("Move from ConnectWise Manage to Autotask")).to_contain_text(
        "1 proposal"
    )
    expect(page.get_by_label("Amber Vet is Amber Vet Inc")).to_be_checked()
    expect(page.get_by_text("Linked to ConnectWise Manage now")).to_be_visible()
    look(page, "proposed-moves")
    page.get_by_role("button", name="Move what is ticked").click()

    expect(page.get_by_role("heading", name="1 linked")).to_be_visible()
    expect(page.get_by_text("Autotask · 5007")).to_be_visible()
    page.get_by_role("link", name="Undo… Amber Vet").click()
    expect(page.get_by_text("of ConnectWise Manage, from where it moved")).to_be_visible()
    look(page, "undo-a-move")
    page.get_by_role("button", name="Undo the link").click()

    expect(page.get_by_text("ConnectWise Manage").first).to_be_visible()
    expect(page.locator(".figure")).to_contain_text("1,200.00")
    assert CompanyLink.objects.in_force().get() == moving


def test_what_was_undone_together_is_brought_back(
    chromium: Browser, live_server: object, account: Integration
) -> None:
    page, base = chromium.new_context().new_page(), live_server.url
    suggested = LinkSuggestion.objects.filter(is_sure=True)
    pairs = [
        AskedPair(str(one.company_id), str(account.pk), one.record.external_id)
        for one in suggested.select_related("record")
    ]
    batch = confirm_pairs(tenant=account.tenant, pairs=pairs, actor=None).batch
    assert batch is not None
    sign_in(page, base, "mia@example.com")
    page.goto(f"{base}/link-batches/{batch.pk}/")
    late = page.context.new_page()
    late.goto(page.url)
    page.bring_to_front()  # colours of what is not in front do not fade
    page.get_by_role("button", name="Undo all 3 links").dblclick()
    expect(page.get_by_text("The links are being undone.")).to_be_visible()
    carry_undo_out(tenant_id=str(account.tenant_id), batch_id=str(batch.pk))
    expect(page.get_by_text("All of it was undone today")).to_be_visible()
    expect(page.locator(".mark", has_text="Undone")).to_have_count(3)
    look(page, "links-undone")

    page.get_by_role("button", name="Bring back all 3").dblclick()
    expect(page.get_by_text("3 of 3 were brought back today")).to_be_visible()
    expect(page.get_by_role("button", name="Undo all 3 links")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Bring back"))).to_have_count(0)
    look(page, "links-brought-back")
    assert CompanyLink.objects.in_force().count() == 3

    late.get_by_role("button", name="Undo all 3 links").click()
    expect(late.get_by_text("The links are being undone.")).to_be_visible()
    page.get_by_role("link", name="Past imports and links").click()
    expect(page.locator(".mark", has_text="Being undone")).to_be_visible()
