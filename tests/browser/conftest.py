"""Chromium, and a worker beside the web server."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from django.db import connections
from playwright.sync_api import Browser, sync_playwright

from audit_site.db import walls
from tests.browser.chromium import ARGUMENTS, EXECUTABLE
from tests.worker import work_off


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    import os  # noqa: PLC0415

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright keeps a loop in this thread
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def worker() -> Iterator[None]:
    """Works off what is queued, beside the web server, as the worker process does."""
    stop = threading.Event()

    def work() -> None:
        try:
            while not stop.wait(0.1):
                work_off()
        finally:
            connections.close_all()

    thread = threading.Thread(target=walls.carried(work), daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join()
