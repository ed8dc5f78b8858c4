"""SIGKILL in the middle of an import: it goes on by itself, and makes no audITee twice."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.sandbox.server import SandboxServer
from tests.processes.installation import HEALED_SECONDS, Installation, installed, wait_for
from tests.processes.victims import Redis

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.timeout(300)]

COMPANIES = 3000


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(seed=5, companies=COMPANIES) as server:
        yield server


@pytest.fixture
def installation(tmp_path: Path, sandbox: SandboxServer) -> Iterator[Installation]:
    postgres, redis = os.environ.get("DATABASE_URL", ""), None
    if postgres:
        if shutil.which("redis-server") is None:
            pytest.skip("needs redis-server")
        redis = Redis(tmp_path / "redis")
    url = redis.url if redis else ""
    with installed(tmp_path, sandbox, postgres=postgres, broker_url=url) as made:
        if redis:
            redis.start(made)
        yield made


def progress(installation: Installation, batch: str) -> tuple[str, int, int]:
    body: Any = installation.api("GET", f"/import-batches/{batch}/")
    return body["state"], body["progress"]["done"], body["progress"]["total"]


def test_an_import_goes_on_after_its_worker_was_killed(installation: Installation) -> None:
    installation.sign_in("5000")
    installation.start_web()
    worker = installation.start_worker()
    integration = installation.connect()
    importable = installation.api("GET", f"/integrations/{integration}/")["companies"]["importable"]
    assert importable > 1000

    batch = installation.api("POST", "/import-batches/", {"all_that_match": {}})["id"]
    wait_for(lambda: progress(installation, batch)[1] > 0)
    installation.kill(worker)
    state, done, total = progress(installation, batch)
    assert (state, total) == ("running", importable)
    assert 0 < done < total, "it was killed too late to prove anything"

    began = time.monotonic()
    installation.start_worker()
    wait_for(lambda: progress(installation, batch)[0] == "done", HEALED_SECONDS)
    print(f"{done} of {total} when it was killed, all {time.monotonic() - began:.1f} s later")

    assert progress(installation, batch) == ("done", total, total)
    me = installation.api("GET", "/me/")
    assert me["tenant"]["companies_used"] == total
    counts = installation.api("GET", f"/integrations/{integration}/")["companies"]
    assert (counts["linked"], counts["importable"]) == (total, 0)
    assert installation.api("GET", f"/import-batches/{batch}/")["counts"]["failed"] == 0
