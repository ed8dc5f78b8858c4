"""SIGKILL at any moment: nothing is lost, nothing is doubled, and nobody has to help.

The plan of a run follows from one number, which a failure prints; `CHAOS_SEED=that` plays it again.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from integrations.sandbox.server import SandboxServer
from tests.databases import ROOT, as_tests_do
from tests.processes.installation import (
    HEALED_SECONDS,
    Installation,
    installed,
    mrr_of_all,
    signed_in,
    truth,
    wait_for,
)
from tests.processes.story import (
    PSAS,
    Changes,
    Client,
    Story,
    begin_import,
    connect,
    importable,
    last_sync,
    under_way,
)
from tests.processes.victims import Redis, Victims, dice_of, kill_at_random

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.timeout(300)]


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(seed=3, companies=60) as server:
        server.faults.switch_on("small_pages", most=15)
        yield server


@pytest.fixture
def redis(tmp_path: Path) -> Redis | None:
    if not os.environ.get("DATABASE_URL"):
        return None
    if shutil.which("redis-server") is None:
        pytest.skip("needs redis-server")
    return Redis(tmp_path / "redis")


@pytest.fixture
def installation(
    tmp_path: Path, sandbox: SandboxServer, redis: Redis | None
) -> Iterator[Installation]:
    """Nothing runs yet. Embedded in the SQLite run; PostgreSQL and a Redis of its own else."""
    postgres = os.environ.get("DATABASE_URL", "")
    url = redis.url if redis else ""
    with signed_in(tmp_path, sandbox, postgres=postgres, broker_url=url) as made:
        yield made


@pytest.fixture
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, sandbox: SandboxServer
) -> Iterator[Future[Installation]]:
    """An installation that reads the same sandbox, and whose processes nobody kills.

    It is connected and has everything imported once it is there.
    """

    var = tmp_path_factory.mktemp("undisturbed")

    def begin() -> Installation:
        with installed(var, sandbox) as made:
            typed = {psa: sandbox.credentials(psa) for psa in PSAS}
            ask(made, "begin", json.dumps(typed))
        return made

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(begin)


def ask(installation: Installation, *question: str) -> str:
    """What tests/processes/undisturbed.py says in this installation's environment."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.processes.undisturbed", *question],
        cwd=ROOT,
        env={**as_tests_do(installation.env), "DJANGO_SETTINGS_MODULE": "audit_site.settings"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def test_sigkill_at_any_moment_loses_and_doubles_nothing(
    undisturbed: Future[Installation],
    installation: Installation,
    sandbox: SandboxServer,
    redis: Redis | None,
) -> None:
    seed = os.environ.get("CHAOS_SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"CHAOS_SEED={seed}")
    victims = Victims(installation, redis)
    client = Client(installation)
    connectwise = connect(client, sandbox, "connectwise")
    wait_for(lambda: last_sync(client, connectwise).get("state") == "succeeded")
    ids = importable(client, connectwise)
    client.import_all(connectwise, ids[:15])
    quiet = undisturbed.result()
    wait_for(lambda: not under_way(client))

    sandbox.faults.switch_on("latency", ms=40)
    changes = Changes(sandbox, dice_of(seed, "changes"), ids[:15])
    story = Story(client, sandbox, dice_of(seed, "story"), connectwise, ids[15:], changes)
    kill_at_random(victims, story, dice_of(seed, "kills"))
    began = time.monotonic()
    wait_for(
        lambda: not victims.revive_worker() and not under_way(client),
        HEALED_SECONDS,
        tell=lambda: under_way(client),
    )
    print(f"healed {time.monotonic() - began:.1f} s after the story's end")

    sandbox.faults.clear("latency")
    for id_ in story.integrations[1:]:
        client.import_all(id_, importable(client, id_))
    again = [client.sync(f"/integrations/{id_}/sync/") for id_ in story.integrations]
    ask(quiet, "again")
    wait_for(lambda: not under_way(client), HEALED_SECONDS)
    final = [client.sync(f"/integrations/{id_}/sync/") for id_ in story.integrations]
    wait_for(lambda: not under_way(client), HEALED_SECONDS)
    assert not set(again) & set(final)

    check_runs(client, final, changes.deleted)
    here, there = json.loads(ask(installation, "state")), json.loads(ask(quiet, "state"))
    for table, rows in there["tables"].items():
        assert here["tables"][table] == rows, table
    assert here["doubled"] == there["doubled"] == []
    print(f"{here['taken_over']} pieces of work were taken over")
    assert here["taken_over"] >= 3, "the moments were too harmless to prove anything"


def test_a_run_is_given_back_at_sigterm_and_taken_over_after_sigkill(
    installation: Installation, sandbox: SandboxServer, redis: Redis | None
) -> None:
    victims = Victims(installation, redis)
    client = Client(installation)
    integration = connect(client, sandbox, "connectwise")
    wait_for(lambda: last_sync(client, integration).get("state") == "succeeded")
    ids = importable(client, integration)
    sandbox.faults.switch_on("latency", ms=120)

    (first,) = begin_import(client, integration, ids[: len(ids) // 2])
    assert victims.deploy() == 0, "it ends by itself, nobody has to kill it"
    assert client.get(f"/sync-runs/{first}/")["state"] == "running", "and before its run has ended"
    began = time.monotonic()
    wait_for(lambda: not under_way(client), HEALED_SECONDS)
    print(f"given back and ended {time.monotonic() - began:.1f} s after the deploy")

    (second,) = begin_import(client, integration, ids[len(ids) // 2 :])
    victims.kill("worker")
    began = time.monotonic()
    assert client.get(f"/sync-runs/{second}/")["state"] == "running"
    sandbox.faults.clear("latency")
    wait_for(lambda: not under_way(client), HEALED_SECONDS)
    print(f"taken over and ended {time.monotonic() - began:.1f} s after the kill")

    final = client.sync(f"/integrations/{integration}/sync/")
    wait_for(lambda: not under_way(client))
    runs = {run["id"]: run for run in client.all("/sync-runs/")}
    assert Counter(run["state"] for run in runs.values()) == {"succeeded": 4}
    for kind, count in runs[final]["counts"].items():
        assert count["unchanged"] == count["seen"] > 0, kind
    for kind in ("agreements", "lines"):
        seen = [runs[run]["counts"][kind]["seen"] for run in (first, second, final)]
        assert seen[0] + seen[1] == seen[2], kind
    assert mrr_of_all(installation) == truth(installation)


def check_runs(client: Client, final: Sequence[str], deleted: Counter[str]) -> None:
    """All runs have ended well, each was asked for once, and none counted a page twice."""
    runs = {run["id"]: run for run in client.all("/sync-runs/")}
    assert Counter(run["state"] for run in runs.values()) == {"succeeded": len(runs)}
    started = {id_ for id_, run in runs.items() if run["trigger"] != "connect"}
    assert started == client.runs, "a request was carried out twice, or not at all"
    assert len(runs) - len(started) == len(PSAS)
    most = {runs[id_]["integration"]: runs[id_]["counts"] for id_ in final}
    for counts in most.values():
        assert counts["agreements"]["seen"] > 0
        assert all(count["unchanged"] == count["seen"] for count in counts.values())
    for run in runs.values():
        for kind, count in run["counts"].items():
            there_were = most[run["integration"]][kind]["seen"] + deleted[kind]
            assert count["seen"] <= there_were, f"a page of {kind} was counted twice"
