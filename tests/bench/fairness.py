"""One tenant of very many companies and many of few begin to sync at once, on two workers: what each
waits longer than without the other.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.first_sync import credentials_for, wait_for
from tests.bench.scratch import begin, drop, environment, scratch

ROOT = Path(__file__).resolve().parents[2]
SMALL_COMPANIES = 20
WORKERS = 2
#: Together beside alone: the median of the small ones, and the giant.
GOALS = (2.0, 1.2)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=fairness")
    parser.add_argument("--giant", type=int, default=50_000, help="companies of the large tenant")
    parser.add_argument("--small", type=int, default=200, help="tenants of 20 companies")
    parser.add_argument("--latency", type=float, default=50, help="milliseconds for each answer")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.part:
        print(json.dumps(together(**json.loads(chosen.part))))
        return 0
    from audit_site.local.test import find_postgres, find_redis  # noqa: PLC0415

    postgres, redis = find_postgres(), find_redis()
    if not (postgres and redis):
        print("Fairness: skipped, there is no PostgreSQL or no Redis.")
        return 0
    with (
        sandbox(chosen.giant, chosen.latency) as giant_url,
        sandbox(SMALL_COMPANIES, chosen.latency) as small_url,
    ):
        urls = {"giant_url": giant_url, "small_url": small_url}
        alone_small = measured(postgres, redis, **urls, giant=0, small=chosen.small)
        alone_giant = measured(postgres, redis, **urls, giant=1, small=0)
        both = measured(postgres, redis, **urls, giant=1, small=chosen.small)
    show(chosen.giant, chosen.small, alone_small, alone_giant, both)
    return 0


def show(giant: int, small: int, alone_small: Any, alone_giant: Any, both: Any) -> None:
    print(
        f"\n{small} tenants of {SMALL_COMPANIES} companies and one of {giant:,} connect together "
        f"({WORKERS} workers)\n{'seconds from Connect to the end':<36}{'alone':>9}{'together':>10}{'ratio':>8}"
    )
    medians = [statistics.median(found["small"]) for found in (alone_small, both)]
    giants = [found["giant"][0] for found in (alone_giant, both)]
    for name, (alone, together_), goal in (
        ("a small one, median", medians, GOALS[0]),
        ("the large one", giants, GOALS[1]),
    ):
        print(f"{name:<36}{alone:>9.1f}{together_:>10.1f}{together_ / alone:>8.2f} (goal {goal})")
    print(f"At once of one tenant at the most: {both['most_of_a_tenant']}")


@contextmanager
def sandbox(companies: int, latency: float) -> Iterator[str]:
    """A sandbox ConnectWise in a process of its own."""
    from tests.processes.installation import free_port  # noqa: PLC0415

    port = free_port()
    serve = (
        "from integrations.sandbox.server import SandboxServer; import threading;"
        f"server = SandboxServer(port={port}, companies={companies}, latency_ms={latency},"
        " only='connectwise').__enter__(); threading.Event().wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", serve], cwd=ROOT)
    try:
        wait_for(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def measured(postgres: str, redis: str, **asked: Any) -> dict[str, Any]:
    """In a new database, with new workers: what `together` finds."""
    with tempfile.TemporaryDirectory(prefix="audit-bench-") as var:
        env = environment(
            var,
            scratch(postgres),
            CELERY_BROKER_URL=f"{redis.rsplit('/', 1)[0]}/13",
            CONNECTWISE_CLIENT_ID="5a1d0b0e-0000-4000-8000-00000000a0d1",
            PSA_ALLOW_PRIVATE_HOSTS="1",
        )
        workers: list[subprocess.Popen[bytes]] = []
        try:
            python = [sys.executable]
            subprocess.run([*python, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True)
            for number in range(WORKERS):
                options = ["-n", f"bench{number}@%h", *(["-B"] if number == 0 else [])]
                command = [*python, "-m", "celery", "-A", "audit_site", "worker", *options]
                workers.append(
                    subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                )  # fmt: skip
            time.sleep(8)  # until they listen
            part = [*python, "-m", "tests.bench", "fairness", f"--part={json.dumps(asked)}"]
            done = subprocess.run(part, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True)  # fmt: skip
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
            drop(postgres)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def together(*, giant_url: str, small_url: str, giant: int, small: int) -> dict[str, Any]:
    """Connect them all, the large one first, and wait until each has been read."""
    begin()
    from audit_site.db import walls  # noqa: PLC0415
    from audit_site.tenants.creating import create_tenant  # noqa: PLC0415
    from integrations.connecting.lifecycle import create_integration  # noqa: PLC0415
    from integrations.models import SyncRun  # noqa: PLC0415

    sides = [("giant", giant_url)] * giant + [("small", small_url)] * small
    tenants = [
        create_tenant(name=f"{side} {n}", admin_email=f"a{n}@bench.example", company_limit=1).tenant
        for n, (side, _) in enumerate(sides)
    ]
    began: dict[Any, tuple[str, float]] = {}
    for tenant, (side, url) in zip(tenants, sides, strict=True):
        began[tenant.pk] = (side, time.time())
        with walls.within(tenant.pk):
            create_integration(
                tenant=tenant, actor=None, psa="connectwise", credentials=credentials_for(url)
            )
    found: dict[str, Any] = {"giant": [], "small": [], "most_of_a_tenant": 0}
    while len(ended := list(SyncRun.objects.exclude(state__in=SyncRun.ACTIVE_STATES))) < len(began):
        found["most_of_a_tenant"] = max(found["most_of_a_tenant"], most_of_a_tenant())
        time.sleep(0.2)
    for run in ended:
        assert run.state == "succeeded", f"a sync has {run.state}: {run.error_code}"
        side, clicked = began[run.tenant_id]
        found[side].append(run.finished_at.timestamp() - clicked)
    return found


def most_of_a_tenant() -> int:
    """How many syncs of one tenant are under way."""
    from django.db.models import Count  # noqa: PLC0415

    from integrations.models import SyncRun  # noqa: PLC0415

    running = SyncRun.objects.filter(state="running").order_by().values("tenant")
    return max((row["number"] for row in running.annotate(number=Count("pk"))), default=0)
