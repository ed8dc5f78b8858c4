"""The story of a wrong link: compared, linked all the same, undone, and nothing is left of it.

With `PICTURES=1` in the environment its pages are photographed into docs/screenshots.
"""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Browser, Locator, Page, expect

from companies.models import Company
from integrations.models import Integration, PsaCompanyRecord
from integrations.sandbox.server import SandboxServer
from tests.browser.looking import IN_CHROMIUM, look, sign_in
from tests.browser.test_without_script import seen_after_refreshing
from tests.factories import make_member
from tests.integrations.links.stories import a_record_of_12187_60, by_hand, own_values

pytestmark = IN_CHROMIUM


def walk(
    page: Page,
    base: str,
    wrong: PsaCompanyRecord,
    company: Company,
    wait_for: Callable[[Callable[[], Locator]], None],
    look_at: Callable[[Page, str], None],
    *,
    with_script: bool,
) -> None:
    """From the comparison to the undo, as a member goes."""
    before = own_values(company)
    page.goto(f"{base}/companies/{company.pk}/psa/")
    page.get_by_role("link", name="Link…").click()
    page.get_by_label("Search by name or id").fill(wrong.name)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("button", name=f"Preview link: {wrong.name}").click()
    wait_for(lambda: page.get_by_role("button", name="They are the same: link"))
    expect(page.locator(".alert-warning").first).to_contain_text("share no word of their names")
    expect(page.get_by_role("row", name="USD")).to_contain_text("12,187.60")
    look_at(page, "link-compare")
    assert own_values(company) == before

    page.get_by_role("button", name="They are the same: link").click()
    expect(page.get_by_text("If it is the wrong company, undo the link")).to_be_visible()
    wait_for(lambda: page.locator(".figure", has_text="USD 12,187.60"))
    if with_script:  # the page was loaded anew, and still says so
        expect(page.get_by_text("If it is the wrong company, undo the link")).to_be_visible()
    expect(page.get_by_role("heading", name=wrong.name)).to_be_visible()

    page.get_by_role("link", name="Link", exact=True).click()
    page.get_by_role("link", name="Undo the link…").click()
    expect(page.get_by_role("row", name="USD")).to_contain_text("12,187.60")
    expect(page.get_by_text(f"Name: {wrong.name} → Acme")).to_be_visible()
    look_at(page, "link-undo")
    page.get_by_role("button", name="Undo the link").click()

    expect(page.get_by_role("heading", name="Acme")).to_be_visible()
    expect(page.locator(".figure")).to_have_text("None")
    expect(page.get_by_text("nothing of that company counts on any day")).to_be_visible()
    look_at(page, "link-undone")
    assert own_values(company) == before


def test_the_wrong_link(
    chromium: Browser,
    live_server: object,
    connected: Integration,
    sandbox: SandboxServer,
    worker: None,
) -> None:
    wrong = PsaCompanyRecord.objects.get(external_id=a_record_of_12187_60(sandbox))
    make_member(connected.tenant, "member", email="mia@example.com")
    page, base = chromium.new_context().new_page(), live_server.url
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda m: troubles.append(m.text) if m.type == "error" else None)
    sign_in(page, base, "mia@example.com")

    def wait_for(what: Callable[[], Locator]) -> None:
        expect(what()).to_be_visible(timeout=20000)

    walk(page, base, wrong, by_hand(connected.tenant), wait_for, look, with_script=True)

    assert troubles == []


def test_the_wrong_link_without_script(
    chromium: Browser,
    live_server: object,
    connected: Integration,
    sandbox: SandboxServer,
    worker: None,
) -> None:
    wrong = PsaCompanyRecord.objects.get(external_id=a_record_of_12187_60(sandbox))
    make_member(connected.tenant, "member", email="mia@example.com")
    context = chromium.new_context(java_script_enabled=False)
    page, base = context.new_page(), live_server.url
    sign_in(page, base, "mia@example.com")

    walk(
        page,
        base,
        wrong,
        by_hand(connected.tenant),
        lambda what: seen_after_refreshing(page, what),
        lambda page, name: None,
        with_script=False,
    )
