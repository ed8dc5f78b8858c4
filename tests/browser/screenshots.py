"""Makes the pictures in docs/screenshots from a running `make run`: every page, light and dark."""

from __future__ import annotations

import re
import sys

import requests
from playwright.sync_api import Page, sync_playwright

from tests.browser.chromium import ARGUMENTS, EXECUTABLE, FOLDER

SIGN_IN = ("admin@demo.example", "demo-password-1")


def sign_in(page: Page, base: str) -> None:
    page.goto(f"{base}/accounts/login/")
    page.get_by_label("E-mail").fill(SIGN_IN[0])
    page.get_by_label("Password").fill(SIGN_IN[1])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Home", exact=True).wait_for()


def pages_of(page: Page, base: str) -> dict[str, str]:
    """Address of every page, found by walking as a person would."""
    found = {"sign-in": "/accounts/login/", "home": "/", "integrations": "/integrations/"}
    page.goto(f"{base}/integrations/")
    main = page.locator("main")
    settings = main.locator("tbody a").first.get_attribute("href") or ""
    found |= {
        "connect": "/integrations/connect/connectwise/",
        "connect-autotask": "/integrations/connect/autotask/",
        "connect-kaseya_bms": "/integrations/connect/kaseya_bms/",
        "integration": settings,
        "integration-setup": f"{settings}setup/",
        "integration-activity": f"{settings}activity/",
        "import-list": "/import/",
        "import-hidden": "/import/?tab=hidden",
        "past-imports": "/import/batches/",
        "words": f"{settings}words/",
        "say-word": f"{settings}words/say/?kind=agreement_type",
        "disconnect": f"{settings}disconnect/",
        "activity": "/activity/",
        "sync-runs": "/sync-runs/",
        "book": "/mrr/",
        "to-check": "/mrr/to-check/",
        "ended": "/mrr/to-check/?show=ended",
        "audITees": "/companies/",
        "add-audITee": "/companies/add/",
        "people": "/account/people/",
        "leave": "/account/leave/",
        "settings": "/account/settings/",
        "tokens": "/account/tokens/",
        "audit-trail": "/account/audit/",
        "export": "/account/settings/export/",
        "you": "/account/you/",
        "two-factor": "/accounts/2fa/",
        "password": "/accounts/password/change/",
    }
    page.goto(f"{base}/account/people/")
    found["person"] = page.locator("tbody a").last.get_attribute("href") or ""
    found["remove"] = f"{found['person']}remove/"
    page.goto(f"{base}/import/")
    select_all = page.get_by_role("button", name=re.compile("Select all"))
    if select_all.count():  # what is chosen stays so, in the other theme too
        select_all.click()
    page.get_by_role("button", name="Review", exact=True).click()
    page.wait_for_url("**/import/batches/*/")
    found["import-review"] = page.url.removeprefix(base)
    page.goto(f"{base}/import/?tab=hidden")
    hidden = page.locator("tbody .sub").first.inner_text().split()[0]
    found["why-missing"] = f"{settings}companies/missing/?q={hidden}"
    page.goto(f"{base}/sync-runs/")
    runs = page.locator("tbody a")
    found["sync-run"] = runs.last.get_attribute("href") or ""
    page.goto(f"{base}/companies/")
    company = one_with_something_left_out(page, base)
    found |= {
        "audITee": company,
        "mrr": f"{company}mrr/",
        "contacts": f"{company}contacts/",
        "link": f"{company}psa/",
    }
    page.goto(f"{base}{company}mrr/")
    found["decide"] = page.get_by_role("link", name="Leave out…").first.get_attribute("href") or ""
    return found


def one_with_something_left_out(page: Page, base: str) -> str:
    """Address of the first audITee whose sum has both parts."""
    rows = page.locator("tbody tr", has_text="USD").all()
    hrefs = [row.locator("a").first.get_attribute("href") or "" for row in rows]
    addresses = [href.removesuffix("mrr/") for href in hrefs]
    for address in addresses:
        page.goto(f"{base}{address}mrr/")
        if page.get_by_text("and why (0)").count() == 0:
            return address
    return addresses[0]


def raise_an_issue(page: Page, base: str) -> str:
    """Have the sandbox send records that can't be used, and sync: the inbox has something to show.

    Returns the address of the integration's issues.
    """
    page.goto(f"{base}/integrations/")
    row = page.locator("tbody tr", has_text="ConnectWise Manage")
    settings = row.get_by_role("link").first.get_attribute("href") or ""
    page.goto(f"{base}{settings}setup/")
    sandbox = page.get_by_label("Server").first.input_value()
    for path, how in (("/company/contacts", "too_long"), ("/company/companies", "wrong_type")):
        fault = {"name": "bad_record", "path": f"{path}$", "how": how, "times": 1}
        requests.post(f"{sandbox}/_sandbox/faults", json=fault, timeout=30).raise_for_status()
    page.goto(f"{base}/integrations/")
    row.get_by_role("button", name="Sync Now").click()
    page.get_by_text("Partial").first.wait_for(timeout=60_000)
    return f"{settings}issues/"


def main(base: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=ARGUMENTS)
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": 1280, "height": 860}, color_scheme=scheme
            )
            page = context.new_page()
            sign_in(page, base)
            issues = raise_an_issue(page, base)
            addresses = {**pages_of(page, base), "issues": issues}
            for name, address in addresses.items():
                if name == "sign-in":
                    continue
                page.goto(base + address)
                page.screenshot(path=FOLDER / f"{name}-{scheme}.png")
            context.clear_cookies()
            page.goto(base + addresses["sign-in"])
            page.screenshot(path=FOLDER / f"sign-in-{scheme}.png")
        browser.close()
    sys.stdout.write(f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER}\n")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
