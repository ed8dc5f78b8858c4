"""Records a sync run that waits, from a running `make run`: docs/screenshots/wait-1.png to -4.png.

It connects a large sandbox ConnectWise of its own as a person would, makes it say "too many
requests, again in 25 seconds" in the middle of a sync, and disconnects it at the end.
"""

from __future__ import annotations

import sys

from playwright.sync_api import Page, sync_playwright

from integrations.sandbox.server import SandboxServer
from tests.browser.chromium import ARGUMENTS, EXECUTABLE
from tests.browser.screenshots import FOLDER, sign_in

COMPANIES = 8000
LATENCY_MS = 1100
#: Pages of contacts that come before the PSA says no (the question for their number is one too).
BEFORE_THE_LIMIT = 12
#: Longer than a run waits in place: it gives its worker back until then.
RETRY_AFTER_SECONDS = 25
PATIENCE_MS = 180_000
ROOM = 20
NAME = "ConnectWise with a limit"


def connect(page: Page, base: str, sandbox: SandboxServer) -> str:
    """Connect the sandbox and wait for its first sync; returns the address of its settings."""
    page.goto(f"{base}/integrations/connect/connectwise/")
    for name, value in sandbox.credentials("connectwise").items():
        page.locator(f"[name={name}]").fill(value)
    page.locator("[name=name]").fill(NAME)
    page.get_by_role("button", name="Save and test").click()
    page.get_by_text("Everything checks out").wait_for(timeout=PATIENCE_MS)
    settings = page.url
    page.locator("#connection-status", has_text="nothing imported").wait_for(timeout=PATIENCE_MS)
    return settings


def disconnect(page: Page, settings: str) -> None:
    page.goto(f"{settings}disconnect/")
    page.locator("main form button[type=submit]").click()
    page.get_by_role("heading", name="Home", exact=True).wait_for()


def take(page: Page, number: int) -> None:
    """A picture of the upper part of the page, with some room around it."""
    box = page.locator("#run").bounding_box()
    assert box is not None
    clip = {
        "x": box["x"] - ROOM,
        "y": box["y"] - ROOM,
        "width": box["width"] + 2 * ROOM,
        "height": box["height"] + ROOM,
    }
    page.screenshot(path=FOLDER / f"wait-{number}.png", clip=clip, full_page=True)


def record(page: Page, settings: str, sandbox: SandboxServer) -> None:
    """Press Sync Now, and take a picture of each stage: running, waiting, going on, done."""
    sandbox.faults.switch_on("latency", path="/company/", ms=LATENCY_MS)
    sandbox.faults.switch_on(
        "rate_limited",
        path="/company/contacts",
        after=BEFORE_THE_LIMIT,
        times=1,
        retry_after=RETRY_AFTER_SECONDS,
    )
    page.goto(settings)
    page.get_by_role("button", name="Sync Now").click()
    page.wait_for_url("**/sync-runs/**")
    pace = page.locator("#run", has_text="Reading contacts").get_by_text(" a minute")
    waiting = page.locator("#run").get_by_text("Waiting for ConnectWise Manage, goes on at")
    pace.filter(has_text="left").wait_for(timeout=PATIENCE_MS)
    take(page, 1)
    waiting.wait_for(timeout=PATIENCE_MS)
    take(page, 2)
    waiting.wait_for(state="hidden", timeout=PATIENCE_MS)
    pace.wait_for(timeout=PATIENCE_MS)
    take(page, 3)
    page.locator("#run .mark", has_text="Succeeded").wait_for(timeout=PATIENCE_MS)
    take(page, 4)


def main(base: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        SandboxServer(seed=7, companies=COMPANIES) as sandbox,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=ARGUMENTS)
        context = browser.new_context(viewport={"width": 1280, "height": 860}, color_scheme="light")
        page = context.new_page()
        sign_in(page, base)
        settings = connect(page, base, sandbox)
        try:
            record(page, settings, sandbox)
        finally:
            sandbox.faults.clear()
            disconnect(page, settings)
        browser.close()
    sys.stdout.write(f"4 pictures of a run that waits in {FOLDER}\n")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
