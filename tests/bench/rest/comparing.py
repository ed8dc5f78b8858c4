"""Requests a second beside the bare view, growth with the size of a tenant, and pages beside REST."""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.rest.serving import ROOT, Rate, Server, ask, rate, seconds_of, served
from tests.bench.scratch import begin, drop, environment, scratch

NAME = "audit_bench_rest"
SIZES = ((3_500, 6_000), (35_000, 60_000))
#: What is asked for, and which part of the bare view's rate it shall reach.
GOALS = {"companies": 0.4, "mrr": 0.5, "company-mrr": 0.5, "run": 0.6, "import-list": 0.4}
#: What may grow at most so much in time with a tenant ten times as large.
GROWING, GROWTH = ("companies", "mrr"), 1.3
#: A page, and the call for the same rows: it takes at most so many times as long.
PAGES, PAGE_GOAL = {
    "audITees": ("/companies/", "companies-page"),
    "import list": ("/import/?tab=all", "import-list"),
    "one MRR": ("{company-mrr-page}", "company-mrr"),
    "MRR of all": ("/mrr/", "mrr"),
}, 3  # fmt: skip


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=rest")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=tuple(GOALS), default=[])
    parser.add_argument("--database", default="", help="one that is filled, and kept")
    parser.add_argument("--fill", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.fill:
        print(json.dumps(fill()))
        return 0
    return compare(chosen)


def fill() -> list[dict[str, Any]]:
    """Fill both tenants and work their books out; what to ask them, and as whom."""
    begin()
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    from tests.bench.rest.filling import Filling  # noqa: PLC0415

    filled = [Filling(companies, agreements) for companies, agreements in SIZES]
    for one in filled:
        one.fill()
    call_command("verify_mrr", "--jobs", str(os.cpu_count()), stdout=io.StringIO())
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return [
        {"token": one.token, "addresses": one.addresses(), "cookies": one.session()}
        for one in filled
    ]


def compare(chosen: argparse.Namespace) -> int:
    from audit_site.local.test import find_postgres  # noqa: PLC0415

    postgres = find_postgres()
    if not postgres:
        print("REST and pages: skipped, there is no PostgreSQL.")
        return 0
    with tempfile.TemporaryDirectory(prefix="audit-bench-") as var:
        kept = Path(chosen.database) if chosen.database else None
        url = "" if kept and kept.exists() else scratch(postgres, NAME)
        env = environment(
            var, url or json.loads(kept.read_text())["url"],
            DJANGO_SETTINGS_MODULE="tests.bench.rest.settings", BENCH_ANSWERS=var,
            PUBLIC_URL="http://127.0.0.1:8000", LOG_LEVEL="INFO",
        )  # fmt: skip
        try:
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True
            )
            tenants = _filled(env) if url else json.loads(kept.read_text())["tenants"]
            if kept and url:
                kept.write_text(json.dumps({"url": url, "tenants": tenants}))
            with served(env) as server:
                Comparison(server, tenants, Path(var), chosen).show()
        finally:
            if not kept:
                drop(postgres, NAME)
    return 0


def _filled(env: dict[str, str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "rest", "--fill"],
        cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def mean(rates: list[Rate]) -> tuple[float, float]:
    return (
        sum(rate.answers for rate in rates) / len(rates),
        sum(rate.work for rate in rates) / len(rates),
    )


class Comparison:
    """What is printed of a server that runs."""

    def __init__(
        self,
        server: Server,
        tenants: list[dict[str, Any]],
        answers: Path,
        chosen: argparse.Namespace,
    ) -> None:
        self._server, self._tenants, self._answers, self._chosen = server, tenants, answers, chosen

    def show(self) -> None:
        print(f"\nREST, {SIZES[0][0]:,} companies and {SIZES[0][1]:,} agreements")
        print(
            "(work: seconds of processors, of gunicorn and its connections, where others are busy too)"
        )
        print(
            f"{'':<14}{'a second':>10}{'bare':>8}{'of it':>7}{'by work':>9}{'goal':>6}"
            f"{'ms':>8}{'bare':>7}{'bytes':>8}"
        )
        for name in self._chosen.only or GOALS:
            self._show_rate(name)
        if self._chosen.only:
            return
        print(
            f"\nbeside {SIZES[1][1]:,} agreements: milliseconds of one answer (goal {GROWTH} times)"
        )
        for name in GROWING:
            small, large = self._seconds(0, name), self._seconds(1, name)
            print(f"{name:<14}{small * 1000:>10.2f}{large * 1000:>10.2f}{large / small:>8.2f}")
        print(f"\npages beside the call for the same rows: milliseconds (goal {PAGE_GOAL} times)")
        for name, (page, call) in PAGES.items():
            self._show_page(name, page, call)

    def _headers(self, tenant: int) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tenants[tenant]['token']}"}

    def _show_rate(self, name: str) -> None:
        address, headers = self._tenants[0]["addresses"][name], self._headers(0)
        body = ask(self._server.port, address, headers)
        (self._answers / name).write_bytes(body)
        ours, bare = [], []
        for _ in range(self._chosen.rounds):
            ours.append(rate(self._server, address, headers, self._chosen.seconds))
            bare.append(rate(self._server, f"/api/v1/bare/{name}/", headers, self._chosen.seconds))
        (answers, work), (of_bare, work_of_bare) = mean(ours), mean(bare)
        print(
            f"{name:<14}{answers:>10.0f}{of_bare:>8.0f}{answers / of_bare:>7.2f}"
            f"{work_of_bare / work:>9.2f}{GOALS[name]:>6}"
            f"{work * 1000:>8.2f}{work_of_bare * 1000:>7.2f}{len(body):>8}",
            flush=True,
        )

    def _seconds(self, tenant: int, name: str) -> float:
        address = self._tenants[tenant]["addresses"][name]
        return seconds_of(self._server.port, address, self._headers(tenant), times=40)

    def _show_page(self, name: str, page: str, call: str) -> None:
        tenant = self._tenants[0]
        cookies = "; ".join(f"{key}={value}" for key, value in tenant["cookies"].items())
        ours = seconds_of(
            self._server.port, page.format(**tenant["addresses"]), {"Cookie": cookies}, times=20
        )
        rest = self._seconds(0, call)
        print(f"{name:<14}{ours * 1000:>10.2f}{rest * 1000:>10.2f}{ours / rest:>8.2f}")
