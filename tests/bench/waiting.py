"""How long a person waits: from the click on Sync Now until the first request reaches the PSA, and from
Save until the page has the first line of the connection test; on Redis and on the embedded broker.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

GOALS = {"Redis": 0.3, "the embedded broker": 0.6}
FIRST_LINE_GOAL = 1.0
#: What the sandbox takes for each answer, in seconds.
LATENCY = 0.05
PASSWORD = "bench-password-1"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=waiting")
    parser.add_argument("--clicks", type=int, default=15)
    chosen = parser.parse_args(arguments)
    from audit_site.local.test import find_postgres, find_redis  # noqa: PLC0415
    from tests import environment  # noqa: F401, PLC0415  an installation's processes are tests'
    from tests.databases import drop_template  # noqa: PLC0415

    postgres, redis = find_postgres(), find_redis()
    print(f"Seconds until something happens, over {chosen.clicks} clicks: median (longest)\n")
    try:
        for name, database, broker in (
            ("Redis", postgres, f"{redis.rsplit('/', 1)[0]}/13"),
            ("the embedded broker", "", ""),
        ):
            if name == "Redis" and not (postgres and redis):
                print("Redis: skipped, there is no PostgreSQL or no Redis.")
                continue
            with running(database, broker) as installation:
                show(
                    f"Sync Now to the first request, {name}",
                    clicks(installation, chosen.clicks),
                    GOALS[name],
                )
                show(
                    f"Save to the first line of the test, {name}",
                    first_lines(installation, chosen.clicks),
                    FIRST_LINE_GOAL,
                )
    finally:
        drop_template()
    return 0


def show(what: str, seconds: list[float], goal: float) -> None:
    print(f"{what:<58}{statistics.median(seconds):>6.2f} ({max(seconds):.2f})   goal {goal}")


@contextmanager
def running(postgres: str, broker: str) -> Iterator[Any]:
    """An installation with its processes, connected to a small sandbox ConnectWise."""
    from integrations.sandbox.server import SandboxServer  # noqa: PLC0415
    from tests.processes.installation import installed  # noqa: PLC0415

    with (
        tempfile.TemporaryDirectory(prefix="audit-bench-") as var,
        SandboxServer(companies=20, latency_ms=LATENCY * 1000, only="connectwise") as sandbox,
        installed(Path(var), sandbox, postgres=postgres, broker_url=broker) as installation,
    ):
        installation.env |= {"LIMIT_SYNCS": "10000", "LIMIT_TESTS": "10000"}
        installation.start_web()
        installation.start_ready_worker()
        installation.sign_in(password=PASSWORD)
        yield installation


def clicks(installation: Any, number: int) -> list[float]:
    """Seconds from Sync Now until the PSA has been asked the first thing."""
    integration = installation.connect()
    path = f"/integrations/{integration}/sync/"
    return [
        until_asked(installation, lambda: installation.api("POST", path)["id"])
        for _ in range(number)
    ]


def until_asked(installation: Any, click: Callable[[], str]) -> float:
    sandbox = installation.sandbox
    sandbox.forget_requests()
    clicked = time.time()
    run = click()
    while not (log := sandbox.requests()):
        time.sleep(0.005)
    asked = datetime.fromisoformat(log[0]["at"]).timestamp() - LATENCY
    while installation.api("GET", f"/sync-runs/{run}/")["state"] != "succeeded":
        time.sleep(0.1)
    return asked - clicked


def first_lines(installation: Any, number: int) -> list[float]:
    """Seconds from Save in the settings until the page shows the first check's outcome."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    from tests.browser.chromium import ARGUMENTS, EXECUTABLE  # noqa: PLC0415

    (integration,) = installation.api("GET", "/integrations/")["results"]
    path, address = (
        f"/integrations/{integration['id']}/",
        f"{installation.url}/integrations/{integration['id']}/",
    )
    keys = installation.sandbox.credentials("connectwise")
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=ARGUMENTS)
        page = browser.new_page()
        page.goto(f"{installation.url}/accounts/login/")
        page.get_by_label("E-mail").fill("a@example.com")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        for _ in range(number):
            installation.api("DELETE", path)
            page.goto(address)
            for name, value in keys.items():
                page.locator(f"[name={name}]").fill(value)
            began = time.monotonic()
            page.get_by_role("button", name="Reconnect").click()
            page.locator("#connection-status .check .good-ink").first.wait_for(state="attached")
            found.append(time.monotonic() - began)
            page.get_by_role("button", name="Test again").wait_for()
        browser.close()
    return found
