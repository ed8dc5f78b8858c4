"""What somebody should look at, settled in a hurry and taken back."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from agreements import stored_mrr
from agreements.models import ChoiceRecord
from integrations.sandbox.dates import months_on
from tests.browser.looking import IN_CHROMIUM, look, sign_in
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_line,
    make_link,
    make_member,
    make_tenant,
)

pytestmark = IN_CHROMIUM


@pytest.fixture
def doubtful(transactional_db: None) -> None:
    """A pair of one name, one below zero, and one that ended last month."""
    tenant, today = make_tenant(name="Harbour IT"), timezone.localdate()
    make_member(tenant, "member", email="sal@example.com")
    company, integration = make_company(tenant, name="Acme"), make_integration(tenant)
    make_link(company, integration)
    make_agreement(company, integration, external_id="1", name="Gold", amount="1000")
    make_agreement(company, integration, external_id="2", name="Renewal of Gold", amount="1100",
                   start_date=months_on(today, -1))  # fmt: skip
    rental = make_agreement(company, integration, external_id="3", name="Rental", amount="0")
    make_line(rental, quantity="-1", unit_price="60", description="Discount")
    make_agreement(company, integration, external_id="4", name="Backup", amount="480",
                   end_date=months_on(today, -1))  # fmt: skip
    stored_mrr.refresh(tenant, [company.pk])


def test_each_doubt_is_settled_by_one_act_and_taken_back_by_another(
    chromium: Browser, live_server: Any, doubtful: None
) -> None:
    page, base = chromium.new_context().new_page(), live_server.url
    sign_in(page, base, "sal@example.com")
    page.goto(f"{base}/mrr/to-check/")
    rows, told = page.locator("tbody tr"), page.get_by_role("status")
    expect(rows).to_have_count(3)
    look(page, "to-check")

    rows.first.get_by_role("button", name="It is right").dblclick()

    expect(told.filter(has_text="Noted that Gold (id 1")).to_contain_text("are right.")
    expect(rows).to_have_count(1)
    look(page, "noted")
    assert ChoiceRecord.objects.count() == 2

    page.get_by_role("button", name="Undo").dblclick()

    expect(told.filter(has_text="Undone.")).to_contain_text("It is in doubt again.")
    expect(rows).to_have_count(3)
    page.get_by_role("link", name="Replaced by Renewal of Gold").click()
    expect(page.locator("#effect")).to_contain_text("2,040.00 → 1,040.00 USD")
    page.get_by_label("Why").fill(" ")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Say why: it stands beside the figure.")).to_be_visible()
    expect(page.locator("#effect")).to_contain_text("2,040.00 → 1,040.00 USD")
    page.get_by_label("Why").fill("Renewed by hand")
    page.get_by_role("button", name="Save", exact=True).dblclick()
    expect(told.filter(has_text="Decided about Renewal of Gold (id 2")).to_be_visible()
    expect(rows).to_have_count(1)

    page.get_by_role("link", name="Ended, nothing follows (1)").click()
    look(page, "ended")
    page.get_by_role("link", name="It renews by itself…").click()
    page.get_by_label("Why").fill("They go on")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Nothing ended in the last 92 days")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="Ended, nothing follows (1)")).to_be_visible()
    expect(rows).to_have_count(1)
