"""Every state of health in the list and on its page: its word, in light and dark, wide and narrow.

With `PICTURES=1` in the environment each is photographed into docs/screenshots.
"""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import Browser, Page

from integrations.connecting.health import TITLES
from integrations.models import Integration
from tests.browser.chromium import FOLDER
from tests.browser.connection_states import STATES
from tests.browser.looking import IN_CHROMIUM, overflowing, seen_problems, sign_in
from tests.factories import make_member, make_tenant

pytestmark = IN_CHROMIUM

#: Scheme and width; those in the middle are looked at only when pictures are made.
LOOKS = (("light", 1280), ("dark", 1280), ("dark", 360))
OUT_OF_USE = {"Unreachable", "Refused", "Key missing", "Paused"}


def test_there_is_one_of_each_state() -> None:
    assert sorted(STATES) == sorted(TITLES.values())


def look_at(page: Page, address: str, width: int) -> None:
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert overflowing(page) == []
    assert seen_problems(page) == []


def said_twice(page: Page) -> list[str]:
    """Sentences that stand more than once above the checks."""
    texts = page.locator("#connection-status p:visible").all_inner_texts()
    sentences = [part.strip() for text in texts for part in text.split(". ")]
    return [sentence for sentence in sentences if sentences.count(sentence) > 1]


def marks(page: Page) -> list[str]:
    return page.locator("main .mark:visible").all_inner_texts()


@pytest.mark.parametrize("word", list(STATES))
def test_a_state_is_said_and_seen(chromium: Browser, live_server: object, word: str) -> None:
    tenant = make_tenant(company_limit=30)
    admin = make_member(tenant, email="admin@example.com", name="Alex Admin")
    STATES[word](tenant, admin)
    base = live_server.url
    settings = f"{base}/integrations/{Integration.objects.get().pk}/"

    for scheme, width in LOOKS if "PICTURES" in os.environ else LOOKS[::2]:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        page = context.new_page()
        sign_in(page, base, "admin@example.com")
        page.get_by_role("heading", name="Home", exact=True).wait_for()
        look_at(page, f"{base}/integrations/", width)
        card = page.locator("main").inner_text()
        look_at(page, settings, width)
        assert word in card
        assert word in marks(page)
        assert said_twice(page) == []
        if word in OUT_OF_USE:  # never green beside red
            assert page.locator("main :is(.good-ink, .mark.good):visible").count() == 0
            look_at(page, f"{settings}setup/", width)
            assert page.locator("main :is(.good-ink, .mark.good):visible").count() == 0
        if os.environ.get("PICTURES") and width > 1000:
            page.screenshot(path=FOLDER / f"health-{word.lower().replace(' ', '-')}-{scheme}.png")
        context.close()
