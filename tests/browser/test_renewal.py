"""The bridge over a renewal that was made early: the client grows, and nobody is new or lost.

With `PICTURES=1` in the environment it is photographed into docs/screenshots.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from companies.models import Company
from integrations.sandbox.dates import months_on
from tests.browser.looking import IN_CHROMIUM, look, sign_in
from tests.factories import make_member, make_tenant
from tests.integrations.sync.practised import client_of

pytestmark = IN_CHROMIUM


@pytest.fixture
def next_term() -> date:
    """The first day of the renewal: of the next month but one."""
    return months_on(timezone.localdate().replace(day=1), 2)


@pytest.fixture
def renewed(transactional_db: None, settings: Any, next_term: date) -> Company:
    """An audITee whose contract in Autotask was renewed weeks ahead, and so is inactive."""
    tenant = make_tenant(name="Harbour IT")
    make_member(tenant, "member", email="sal@example.com")
    with client_of("autotask", settings) as client:
        client.change("change", "companies", client.id, currencyID=1)
        ends = next_term - timedelta(days=1)
        old = client.change(
            "add", "contracts", 29799990, companyID=int(client.id), status=1, setupFee=0,
            contractName="Managed Workplace", contractPeriodType=2,
            startDate=f"{months_on(next_term, -12)}T00:00:00", endDate=f"{ends}T00:00:00",
        )  # fmt: skip
        client.change("add", "lines", contractID=old["id"], units=20, unitPrice="60.00")
        renewal = {"do": "renew", "kind": "contracts", "id": old["id"], "increase": "5.00"}
        client.sandbox.change(renewal)
        _, company = client.imported(tenant)
    return company


def test_an_early_renewal_is_a_step_up(
    chromium: Browser, live_server: Any, renewed: Company, next_term: date
) -> None:
    page, base = chromium.new_context().new_page(), live_server.url
    sign_in(page, base, "sal@example.com")
    page.goto(f"{base}/companies/{renewed.pk}/mrr/")
    expect(page.locator("tfoot").first).to_contain_text("1,200.00")

    page.get_by_text("Movement between other days").click()
    page.get_by_label("Movement from").fill(timezone.localdate().isoformat())
    page.get_by_label("to", exact=True).fill(next_term.isoformat())
    page.get_by_role("button", name="Show").last.click()

    bridge = page.get_by_role("region", name="Movement, USD")
    bridge.get_by_text("As a table").click()
    steps = bridge.get_by_role("table").first.locator("tbody tr").all_inner_texts()
    assert dict(step.split("\t") for step in steps) == {
        "Opening": "USD 1,200.00",
        "New": "USD 0.00",
        "Back again": "USD 0.00",
        "Expansion": "USD 100.00",
        "Contraction": "USD 0.00",
        "Churn": "USD 0.00",
        "Closing": "USD 1,300.00",
    }
    look(page, "renewal")
