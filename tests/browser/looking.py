"""What browser tests share: their marks, signing in, and what axe finds."""

from __future__ import annotations

import os

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.chromium import EXECUTABLE, FOLDER
from tests.factories import PASSWORD

IN_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(EXECUTABLE is None, reason="needs Chromium"),
    pytest.mark.timeout(180),
]


def sign_in(page: Page, base: str, email: str) -> None:
    page.goto(f"{base}/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def seen_problems(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:160]}"
        for v in found
        if v["impact"] in {"serious", "critical"}
    ]


def overflowing(page: Page) -> list[str]:
    """What reaches out of the window to the right, without a scroll bar of its own."""
    wide: list[str] = page.evaluate(
        """() => Array.from(document.querySelectorAll("main *"))
          .filter((e) => !e.closest(".table-scroll, .chart-scroll, .visually-hidden"))
          .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
          .map((e) => e.outerHTML.slice(0, 80))"""
    )
    return wide


#: A desk by day and a phone by night.
LOOKS = ((1280, "light"), (360, "dark"))


def look(page: Page, name: str) -> None:
    """No barrier and nothing wider than the window, in each look; a picture of each."""
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(f"document.documentElement.dataset.bsTheme = '{scheme}'")
        page.wait_for_timeout(400)  # colours fade
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert overflowing(page) == [], name
        assert seen_problems(page) == []
        if "PICTURES" in os.environ:
            page.screenshot(path=FOLDER / f"{name}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 900})
