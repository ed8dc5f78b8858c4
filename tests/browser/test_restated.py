"""The story of a figure that became another: what is new is said, and what was said can be seen.

With `PICTURES=1` in the environment its pages are photographed into docs/screenshots.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from agreements.models import AgreementLine, BookPiece, BookVersion, FigureShown
from companies.models import Company
from integrations.models import Integration
from integrations.sandbox.server import SandboxServer
from tests.browser.looking import IN_CHROMIUM, look, sign_in
from tests.conftest import connect
from tests.factories import make_member, make_tenant
from tests.syncing import change, import_all, synced

pytestmark = IN_CHROMIUM


@pytest.fixture
def firewall(transactional_db: None, sandbox: SandboxServer) -> AgreementLine:
    """A line of 100.00 a month that was read days ago; Sal saw its figure then, and since the PSA
    says 3,100.00.
    """
    tenant = make_tenant(name="Harbour IT", company_limit=50)
    sal = make_member(tenant, "member", email="sal@example.com")
    integration = connect(tenant, sandbox, "connectwise")
    import_all(integration)
    line = first_line(integration)
    price(sandbox, integration, line, "100")
    two_days = timedelta(days=2)
    BookVersion.objects.update(known_from=F("known_from") - two_days)
    BookPiece.objects.update(
        known_from=F("known_from") - two_days, known_to=F("known_to") - two_days
    )
    looked_at = timezone.now() - two_days
    company = line.agreement.company
    FigureShown.objects.create(tenant=tenant, company=company, user=sal, at=looked_at)
    price(sandbox, integration, line, "3100")
    return line


def first_line(integration: Integration) -> AgreementLine:
    """A line that counts all on its own."""
    lines = AgreementLine.objects.filter(tenant=integration.tenant, bill="billable", end_date=None)
    counted = lines.filter(agreement__stored_mrr__included=True, agreement__cycle="monthly")
    found = counted.select_related("agreement__company").order_by("id").first()
    assert found is not None
    return found


def price(
    sandbox: SandboxServer, integration: Integration, line: AgreementLine, amount: str
) -> None:
    """The PSA gives the line this price for one, and a sync reads it."""
    values = {
        "unitPrice": float(amount),
        "quantity": 1,
        "lessIncluded": 0,
        "invoiceDescription": "Managed Firewall",
        "description": "Managed Firewall",
    }
    change(sandbox, "additions", line.external_id.removeprefix("addition-"), values=values)
    assert synced(integration).state in {"succeeded", "partial"}


def walk(page: Page, base: str, company: Company, look_at: Callable[[Page, str], None]) -> None:
    """From what is new to what was known, to the bridge, the history and the statement."""
    page.goto(f"{base}/companies/{company.pk}/mrr/")
    new = page.get_by_role("region", name="What is new in this figure")
    expect(new).to_contain_text("+3,000.00 USD since ")
    expect(new).to_contain_text(
        re.compile(
            r"price of Managed Firewall USD 100.00 → 3,100.00 \(read \d+ [A-Z][a-z]+ \d\d:\d\d\)"
        )
    )
    look_at(page, "mrr-since")
    now = page.locator("tfoot").first.inner_text()

    new.get_by_role("link", name="See it as it was then").click()
    expect(
        page.get_by_text("As known on", exact=False).and_(page.locator("strong"))
    ).to_be_visible()
    then = page.locator("tfoot").first.inner_text()
    assert cents(now) - cents(then) == 3_000_00
    look_at(page, "mrr-as-known")

    page.get_by_role("link", name="As known now").click()
    yesterday = timezone.localdate() - timedelta(days=1)
    page.get_by_text("Movement between other days").click()
    page.get_by_label("opening as known at").fill(f"{yesterday.isoformat()}T12:00")
    page.get_by_role("button", name="Show").last.click()
    page.locator("summary", has_text="Line by line").first.click()
    expect(page.locator("caption", has_text="Restated: USD 3,000.00")).to_be_visible()
    expect(page.locator(".movers td", has_text="Managed Firewall")).to_contain_text("3,100")
    look_at(page, "mrr-restated")

    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("row", name="Read from ConnectWise").first).to_contain_text("+3,000.00")
    look_at(page, "mrr-history")

    page.get_by_role("link", name="MRR", exact=True).last.click()
    page.locator("summary", has_text="Export").click()
    page.get_by_role("link", name="Statement to print").click()
    expect(page.get_by_role("heading", name="Monthly recurring revenue of")).to_be_visible()
    look_at(page, "mrr-statement")


def cents(text: str) -> int:
    amount = re.search(r"[\d,]+\.\d\d", text)
    assert amount is not None
    return int(re.sub(r"[,.]", "", amount[0]))


def test_a_figure_that_became_another(
    chromium: Browser, live_server: object, firewall: AgreementLine
) -> None:
    page, base = chromium.new_context().new_page(), live_server.url
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda m: troubles.append(m.text) if m.type == "error" else None)
    sign_in(page, base, "sal@example.com")

    walk(page, base, firewall.agreement.company, look)

    assert troubles == []
