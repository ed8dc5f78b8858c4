"""The main job in a real browser: connect, watch the checks, import, read the sum."""

from __future__ import annotations

import re
from datetime import timedelta

from playwright.sync_api import Browser, FloatRect, Locator, Page, expect

from agreements import stored_mrr
from integrations.sandbox.server import SandboxServer
from tests.browser.looking import IN_CHROMIUM, seen_problems, sign_in
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_line,
    make_member,
    make_tenant,
)
from tests.worker import work_off

pytestmark = IN_CHROMIUM


def test_from_connecting_to_the_line_that_explains_the_figure(
    chromium: Browser, live_server: object, sandbox: SandboxServer, worker: None
) -> None:
    tenant = make_tenant(company_limit=30)
    make_member(tenant, email="admin@example.com")
    page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda m: troubles.append(m.text) if m.type == "error" else None)
    base = live_server.url

    sign_in(page, base, "admin@example.com")
    page.get_by_role("link", name="Connect", exact=True).click()
    card = page.get_by_role("region", name="ConnectWise Manage")
    card.get_by_role("link", name="Connect", exact=True).click()
    expect(page.get_by_role("heading", name="Integration Settings")).to_be_visible()
    for name, value in sandbox.credentials("connectwise").items():
        page.locator(f"[name={name}]").fill(value)
    page.get_by_role("button", name="Save and test").click()
    expect(page.get_by_text("Everything checks out with ConnectWise Manage.")).to_be_visible(
        timeout=20000
    )
    expect(page.get_by_label("passed")).to_have_count(6)
    expect(page.get_by_text("companies found, nothing imported.")).to_be_visible(timeout=20000)

    page.get_by_role("link", name="Choose companies").click()
    page.wait_for_url("**/import/**")
    page.wait_for_load_state()  # its scripts have run: a box that is ticked before is only ticked
    page.get_by_label("Choose all on this page").focus()
    page.keyboard.press("Space")
    expect(page.locator("[data-chosen]")).to_contain_text("chosen")
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Add ").click()
    expect(page.get_by_text(" done.")).to_be_visible(timeout=20000)
    page.get_by_role("link", name="syncs of their own").click()
    expect(page.locator("tbody tr", has_text="Import").first).to_contain_text(
        "Succeeded", timeout=20000
    )

    page.get_by_role("link", name="audITees", exact=True).click()
    row = page.locator("tbody tr", has_text="USD").first
    figure = row.locator("td").last.inner_text().split("\n")[-1]
    row.locator("td").last.get_by_role("link").click()
    expect(page.get_by_role("heading", name="MRR of ")).to_be_visible()
    expect(page.locator("tfoot")).to_contain_text(figure)
    expect(page.locator(".ledger").first).to_contain_text("a month")
    assert troubles == []


def test_why_is_this_1460(chromium: Browser, live_server: object) -> None:
    """From the figure to the line that explains it, and to a decision that changes it and back."""
    tenant = make_tenant(company_limit=30)
    make_member(tenant, email="sales@example.com", role="member")
    company = make_company(tenant, name="Brightwater Dental")
    agreement = make_agreement(company, make_integration(tenant), amount="1250", name="Gold")
    for text, quantity, included, price in (
        ("Users", "22", "20", "25"),
        ("Workstations", "28", "30", "25"),
        ("Internet", "1", "0", "60"),
        ("BDR", "1", "0", "100"),
    ):
        make_line(agreement, description=text, quantity=quantity, less_included=included,
                  unit_price=price)  # fmt: skip
    stored_mrr.verify([tenant.pk], mend=True)
    page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    base = live_server.url
    sign_in(page, base, "sales@example.com")

    page.get_by_role("link", name="MRR", exact=True).click()
    expect(page.get_by_text("USD 1,460.00").first).to_be_visible()
    expect(page.locator("svg.chart").first).to_be_visible(timeout=10000)
    page.get_by_role("link", name="Brightwater Dental").click()
    expect(page.locator(".figure")).to_have_text("USD 1,460.00")
    row = page.locator("tr", has_text="Users")
    expect(row.locator("td")).to_have_text(
        [re.compile("Users"), "222 less 20 included", "25.00", "Monthly", "50.00", re.compile("…")]
    )
    page.get_by_text("1 left out: the amount is zero").click()
    left_out = page.locator(".left-lines li", has_text="Workstations")
    expect(left_out).to_contain_text("Left out: the amount is zero.")

    page.get_by_role("link", name="Leave out… BDR").click()
    expect(page.get_by_label("Leave this line out")).to_be_checked()
    expect(page.get_by_role("status").filter(has_text="today")).to_contain_text(
        "1,460.00 → 1,360.00 USD"
    )
    page.get_by_label("Why").fill("Given away until spring")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".figure")).to_have_text("USD 1,360.00")
    page.get_by_text("2 left out: ").click()
    page.get_by_text("BDR: left out by your team").click()
    decided = page.locator(".left-lines li", has_text="Given away until spring")
    expect(decided).to_contain_text("someone in your team excluded this line")

    page.get_by_role("link", name="Count it… BDR").click()
    expect(page.locator("#effect")).to_contain_text("1,360.00 → 1,460.00 USD")
    page.get_by_role("link", name="What was decided before").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".figure")).to_have_text("USD 1,460.00")


def box_of(what: Locator) -> FloatRect:
    """Where it is on the page."""
    box = what.bounding_box()
    assert box is not None
    return box


def test_on_a_phone_all_money_is_in_sight(chromium: Browser, live_server: object) -> None:
    tenant = make_tenant(company_limit=30)
    make_member(tenant, email="sales@example.com", role="member")
    company, integration = make_company(tenant, name="Brightwater Dental"), make_integration(tenant)
    today = tenant.today()
    agreement = make_agreement(company, integration, amount="1250", name="Gold", end_date=today)
    make_line(agreement, description="Workstations", quantity="28", less_included="30")
    stored_mrr.verify([tenant.pk], mend=True)
    page = chromium.new_context(viewport={"width": 390, "height": 844}).new_page()
    sign_in(page, live_server.url, "sales@example.com")

    # the month of today stands there only if something changes in it: from tomorrow on
    months = 12 - ((today + timedelta(days=1)).day == 1)
    for path, cells in (("/mrr/", 5 + months), (f"/companies/{company.pk}/mrr/", 3)):
        page.goto(live_server.url + path)
        expect(page.locator("svg.chart").first).to_be_visible(timeout=10000)
        boxes = [box_of(cell) for cell in page.locator(".money").all()]
        assert len(boxes) == cells
        assert all(box["x"] > 0 and box["x"] + box["width"] <= 390 for box in boxes)
        by_month = page.locator("svg.chart[data-arrows]").all()
        assert [box_of(chart)["width"] < 390 for chart in by_month] == [True]
        assert page.evaluate("document.documentElement.scrollWidth") == 390

    page.get_by_text("1 left out: the amount is zero").click()
    would_be = box_of(page.locator(".left-lines .num"))
    assert would_be["x"] + would_be["width"] <= 390


#: A phone by day and a desk by night.
LOOKS = ((360, "light"), (1280, "dark"))


def barriers_of(page: Page) -> list[str]:
    """What keeps people out of this page, in each of the looks."""
    found = []
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        found += [f"{width}, {scheme}: {problem}" for problem in seen_problems(page)]
        if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
            found.append(f"{width}, {scheme}: wider than the window")
    return found


def test_no_page_has_a_serious_barrier(
    chromium: Browser, live_server: object, connected: object
) -> None:
    from companies.models import Company  # noqa: PLC0415
    from integrations.importing.import_companies import import_companies  # noqa: PLC0415
    from integrations.models import PsaCompanyRecord, SyncRun  # noqa: PLC0415

    rows = PsaCompanyRecord.objects.filter(importable=True).order_by("external_id")
    ids = list(rows.values_list("external_id", flat=True)[:8])
    import_companies(integration=connected, external_ids=ids, actor=None)
    work_off()
    company = Company.objects.exclude(agreements=None).order_by("id")[0]
    make_member(connected.tenant, email="admin@example.com")
    page = chromium.new_context().new_page()
    page.goto(f"{live_server.url}/accounts/login/")
    assert barriers_of(page) == []
    sign_in(page, live_server.url, "admin@example.com")
    barriers: dict[str, list[str]] = {}
    for path in (
        "/",
        "/activity/",
        f"/companies/{company.pk}/contacts/",
        f"/companies/{company.pk}/psa/",
        f"/companies/{company.pk}/history/",
        "/integrations/",
        "/integrations/connect/connectwise/",
        f"/integrations/{connected.pk}/",
        f"/integrations/{connected.pk}/setup/",
        f"/integrations/{connected.pk}/activity/",
        "/import/?tab=all",
        f"/integrations/{connected.pk}/companies/missing/?q=20001",
        f"/integrations/{connected.pk}/disconnect/",
        f"/integrations/{connected.pk}/issues/",
        "/sync-runs/",
        f"/sync-runs/{SyncRun.objects.order_by('id').first().pk}/",
        "/companies/",
        "/companies/add/",
        f"/companies/{company.pk}/",
        f"/companies/{company.pk}/mrr/",
        f"/agreements/{company.agreements.first().pk}/decide/",
        "/mrr/",
        "/integrations/connect/autotask/",
        "/integrations/connect/kaseya_bms/",
    ):
        page.goto(live_server.url + path)
        barriers[path] = barriers_of(page)
    assert {path: found for path, found in barriers.items() if found} == {}
