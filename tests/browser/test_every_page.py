"""Each page that a route leads to, by day and by night, on a desk and on a phone: no barrier that axe
finds, nothing wider than the window, no error of a script, and one ring around what has the keyboard.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page

from audit_site.tenants.models import Tenant, User
from tests.browser.looking import IN_CHROMIUM, overflowing, seen_problems
from tests.every_kind import Ids, address, ids_of_every_kind, routes

pytestmark = [
    *(mark for mark in IN_CHROMIUM if mark.name != "timeout"),
    pytest.mark.once,
    pytest.mark.timeout(600),
]

#: Not pages: programs' addresses, and what the sign-in library shows (`test_account`).
NO_PAGES = ("api", "healthz", "readyz", "accounts/", "account/invitation")
#: So many stops of the keyboard are looked at on each page.
STOPS = 12
RING = """() => {
  const e = document.activeElement, style = getComputedStyle(e);
  if (e === document.body || !e.matches(":focus-visible")) return "";
  const probe = document.createElement("span");
  probe.style.color = "var(--focus)";
  document.body.append(probe);
  const wanted = getComputedStyle(probe).color;
  probe.remove();
  const is = style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 2;
  return is && style.outlineColor === wanted ? "" : e.outerHTML.slice(0, 100);
}"""


@pytest.fixture
def ids(tenant: Tenant) -> Ids:
    return ids_of_every_kind(tenant)


def pages_of(client: Client, ids: Ids) -> dict[str, str]:
    """By route, the address of each that answers somebody who is signed in with a whole page."""
    found = {}
    for route in routes():
        if route.startswith(NO_PAGES):
            continue
        target = address(route, ids) if "<" in route else f"/{route}"
        answer = client.get(target)
        is_page = answer.status_code == 200 and answer["Content-Type"].startswith("text/html")
        if is_page and b"<main" in b"".join(answer):
            found[route] = target
    return found


@pytest.fixture
def client_of_alex(alex: User) -> Client:
    client = Client()
    client.force_login(alex)
    return client


@pytest.fixture
def context(
    chromium: Browser, client_of_alex: Client, live_server: Any
) -> Iterator[BrowserContext]:
    context = chromium.new_context(reduced_motion="reduce")
    cookie = client_of_alex.cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": str(live_server.url)}])
    yield context
    context.close()


def faults(page: Page, width: int) -> Iterator[str]:
    for theme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.bsTheme = '{theme}'")
        yield from (f"{theme}: {found}" for found in seen_problems(page))
    if page.evaluate("document.documentElement.scrollWidth") > width:
        yield "wider than the window"
    yield from overflowing(page)
    for _ in range(STOPS):
        page.keyboard.press("Tab")
        if other := page.evaluate(RING):
            yield f"another ring: {other}"


@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_is_open_to_everybody(
    live_server: Any, context: BrowserContext, client_of_alex: Client, ids: Ids, width: int
) -> None:
    page, found, errors = context.new_page(), {}, []
    page.set_viewport_size({"width": width, "height": 900})
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    pages = pages_of(client_of_alex, ids)

    for route, target in pages.items():
        page.goto(live_server.url + target, wait_until="load")
        seen = [*faults(page, width), *errors]
        errors.clear()
        if seen:
            found[route] = seen

    assert found == {}
    assert len(pages) > 40
