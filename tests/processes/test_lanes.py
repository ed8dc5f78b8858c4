"""What a person waits for never queues after a sync, whichever the broker."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.databases import ROOT, postgres_url
from tests.processes.installation import Installation, truth, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]

SYNC_THREADS = 4


def begin_long_syncs(installation: Installation, integration: str) -> list[str]:
    """Three imports and Sync Now, over a PSA that takes a second for each answer; their ids."""
    ids = list(truth(installation))
    installation.sandbox.faults.switch_on("latency", ms=1000)
    path = f"/integrations/{integration}/sync/"
    runs = [installation.api("POST", path)["id"]]
    for part in (ids[start:60:3] for start in range(SYNC_THREADS - 1)):
        body = {"integration": integration, "external_ids": part}
        runs.append(installation.api("POST", "/companies/import/", body)["sync_run"]["id"])
    return runs


def run_of(installation: Installation, run: str) -> Any:
    return installation.api("GET", f"/sync-runs/{run}/")


def states(installation: Installation, runs: list[str]) -> set[str]:
    return {run_of(installation, run)["state"] for run in runs}


def seconds_until_started(asked: datetime, started_at: str) -> float:
    return (datetime.fromisoformat(started_at) - asked).total_seconds()


def log_of(installation: Installation, name: str) -> list[dict[str, Any]]:
    """What a process has logged in JSON."""
    lines = (installation.var / f"{name}.log").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_a_test_and_a_resync_start_at_once_beside_four_long_syncs(
    installation: Installation,
) -> None:
    installation.env["SYNCS_A_TENANT"] = str(SYNC_THREADS)
    installation.start_worker()
    integration = installation.connect()
    long = begin_long_syncs(installation, integration)
    wait_for(lambda: states(installation, long) == {"running"})
    waiting = installation.api(
        "POST",
        "/companies/import/",
        {"integration": integration, "external_ids": list(truth(installation))[60:70]},
    )["sync_run"]["id"]
    company = installation.api("GET", "/companies/")["results"][0]["id"]

    asked = datetime.now(UTC)
    test = installation.api("POST", f"/integrations/{integration}/test/")["id"]
    resync = installation.api("POST", f"/companies/{company}/sync/")["id"]

    path = f"/integrations/{integration}/tests/{test}/"
    tested = wait_for(
        lambda: (found := installation.api("GET", path))["started_at"] and found, seconds=10
    )
    resynced = wait_for(
        lambda: (found := run_of(installation, resync))["started_at"] and found, seconds=10
    )
    assert states(installation, long) == {"running"}, "they were not long enough to prove anything"
    assert run_of(installation, waiting)["state"] == "queued", "syncs have four threads"
    seconds = [seconds_until_started(asked, row["started_at"]) for row in (tested, resynced)]
    print(f"beside four syncs: test after {seconds[0]:.2f} s, re-sync after {seconds[1]:.2f} s")
    assert max(seconds) < 2
    time.sleep(6)
    assert installation.is_ready(), "the clock has a place of its own too"

    installation.sandbox.faults.clear("latency")
    wait_for(lambda: states(installation, [*long, waiting, resync]) == {"succeeded"})
    for path, event, key, id_ in (
        (f"POST /api/v1/integrations/{integration}/test/", "test_begins", "test_id", test),
        (f"POST /api/v1/companies/{company}/sync/", "run_begins", "run_id", resync),
    ):
        (click,) = [line for line in log_of(installation, "web") if line.get("request") == path
                    and line["event"] == "request_started"]  # fmt: skip
        (begun,) = [line for line in log_of(installation, "worker") if line.get(key) == id_
                    and line["event"] == event]  # fmt: skip
        assert begun["request_id"] == click["request_id"]
        assert begun["integration_id"] == integration


@pytest.mark.skipif(not postgres_url(), reason="needs Redis: compose has no folder broker")
def test_the_health_check_of_the_compose_file_finds_a_live_worker(
    installation: Installation,
) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    kind, command = compose["services"]["worker"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    env = {
        **installation.env,
        "HOSTNAME": socket.gethostname(),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def ended_with() -> int:
        shell = ["sh", "-c", command.replace("$$", "$")]
        return subprocess.run(shell, cwd=ROOT, env=env, capture_output=True, check=False).returncode

    assert ended_with() != 0
    installation.start_ready_worker()
    wait_for(lambda: ended_with() == 0)  # its control queue may come later than its first beat


def test_a_worker_with_chosen_queues_serves_those_alone(installation: Installation) -> None:
    installation.start_worker("urgent", "-B", "-Q", "celery,urgent", "-n", "urgent@%h")
    integration = installation.api(
        "POST",
        "/integrations/",
        {"psa": "connectwise", "credentials": installation.sandbox.credentials("connectwise")},
    )["id"]
    path = f"/integrations/{integration}/"
    wait_for(lambda: installation.api("GET", path)["status"] == "connected")
    run = installation.api("GET", path)["last_sync"]["id"]
    time.sleep(3)
    assert run_of(installation, run)["state"] == "queued"

    installation.start_worker("sync", "-Q", "sync", "-n", "sync@%h")

    wait_for(lambda: run_of(installation, run)["state"] == "succeeded")
