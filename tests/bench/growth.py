"""How an installation grows: one tenant of more and more PSA companies, a tenth of them imported. Time,
statements, memory, rows and bytes on the disk; and that lists, figures and syncs don't slow down.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench import first_sync
from tests.bench.fairness import sandbox
from tests.bench.scratch import drop, environment, scratch

ROOT = Path(__file__).resolve().parents[2]
SIZES = (500, 1_000, 10_000, 50_000)
#: Of the PSA's companies one in so many becomes an audITee.
IMPORTED = 10
#: Each answer is asked for so often; the best counts.
ROUNDS = 7
GOAL = 1.5


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=growth")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="smallest first")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.part:
        print(json.dumps(grown(**json.loads(chosen.part))))
        return 0
    from audit_site.local.test import find_postgres  # noqa: PLC0415

    postgres = find_postgres()
    if not postgres:
        print("Growth: skipped, there is no PostgreSQL.")
        return 0
    show({size: measured(postgres, size) for size in chosen.sizes})
    return 0


def measured(postgres: str, companies: int) -> dict[str, Any]:
    """In a database of its own, against a sandbox of its own: what `grown` finds."""
    with (
        tempfile.TemporaryDirectory(prefix="audit-bench-") as var,
        sandbox(companies, 0) as url,
    ):
        env = environment(
            var,
            scratch(postgres),
            CONNECTWISE_CLIENT_ID="5a1d0b0e-0000-4000-8000-00000000a0d1",
            PSA_ALLOW_PRIVATE_HOSTS="1",
            ALLOWED_HOSTS="testserver",
        )
        try:
            python = [sys.executable]
            subprocess.run([*python, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True)
            asked = json.dumps({"url": url, "companies": companies})
            part = [*python, "-m", "tests.bench", "growth", f"--part={asked}"]
            done = subprocess.run(
                part, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True
            )
        finally:
            drop(postgres)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def grown(url: str, companies: int) -> dict[str, Any]:
    """Connect, import, sync, read everything again, and ask for pages and figures."""
    tenant = first_sync.prepare(url, companies)
    from audit_site.db import walls  # noqa: PLC0415
    from integrations.connecting.lifecycle import create_integration  # noqa: PLC0415
    from integrations.importing.import_companies import import_companies  # noqa: PLC0415
    from integrations.models import Integration, PsaCompanyRecord  # noqa: PLC0415
    from integrations.runs.starting import start_sync_run  # noqa: PLC0415
    from tests.worker import work_off  # noqa: PLC0415

    def first() -> None:
        create_integration(
            tenant=tenant,
            actor=None,
            psa="connectwise",
            credentials=first_sync.credentials_for(url),
        )
        work_off()

    def bring_in() -> None:
        ids = PsaCompanyRecord.objects.filter(importable=True).order_by("id")
        chosen = list(ids.values_list("external_id", flat=True)[: companies // IMPORTED])
        for start in range(0, len(chosen), 500):
            import_companies(
                integration=Integration.objects.get(tenant=tenant),
                external_ids=chosen[start : start + 500],
                actor=None,
            )
        work_off()

    def again() -> None:
        start_sync_run(integration=Integration.objects.get(tenant=tenant))
        work_off()

    found: dict[str, Any] = {}
    with walls.within(tenant.pk):
        found["first"] = first_sync.counted(first)
        found["import"] = first_sync.counted(bring_in)
        first_sync.a_while_passes()
        found["again"] = first_sync.counted(again)
    found["megabytes"] = first_sync.megabytes()
    return {**found, **size(), "answers": answers(tenant)}


def size() -> dict[str, int]:
    """Rows of all tables, and bytes on the disk."""
    from django.apps import apps  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    rows = sum(model._default_manager.count() for model in apps.get_models())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return {"rows": rows, "bytes": int(cursor.fetchone()[0])}


def answers(tenant: Any) -> dict[str, float]:
    """Seconds that pages and REST take, in this process, with all their middleware."""
    from django.test import Client  # noqa: PLC0415

    from audit_site.tenants.models import User  # noqa: PLC0415
    from companies.models import Company  # noqa: PLC0415
    from integrations.models import Integration  # noqa: PLC0415
    from tests.factories import make_api  # noqa: PLC0415

    api, browser = make_api(tenant), Client()
    browser.force_login(User.objects.filter(memberships__tenant=tenant).first())
    integration = Integration.objects.get(tenant=tenant).pk
    company = Company.objects.filter(tenant=tenant, agreements__isnull=False).first()
    assert company is not None
    asked: dict[str, Callable[[], Any]] = {
        "audITees": lambda: browser.get("/companies/"),
        "import list": lambda: browser.get(f"/import/?integration={integration}"),
        "MRR of one": lambda: browser.get(f"/companies/{company.pk}/mrr/"),
        "REST companies": lambda: api.get("/api/v1/companies/?page_size=100"),
        "REST import list": lambda: api.get(f"/api/v1/integrations/{integration}/psa-companies/"),
        "REST MRR of all": lambda: api.get("/api/v1/mrr/"),
        "REST MRR of one": lambda: api.get(f"/api/v1/companies/{company.pk}/mrr/"),
    }
    return {name: best(ask) for name, ask in asked.items()}


def best(ask: Callable[[], Any]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = ask()
        seconds.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.request["PATH_INFO"]
    return min(seconds)


def show(found: dict[int, dict[str, Any]]) -> None:
    sizes = list(found)
    small, large = sizes[0], sizes[-1]

    def row(name: str, cells: list[str], ratio: str = "") -> None:
        print(f"{name:<34}" + "".join(f"{cell:>12}" for cell in cells) + f"{ratio:>9}")

    print(
        f"\nOne tenant, one in {IMPORTED} companies imported (the last column: most beside least)"
    )
    row("companies in the PSA", [f"{size:,}" for size in sizes])
    for key, name in (("first", "first sync"), ("import", "import"), ("again", "Sync Now again")):
        row(f"{name}, s", [f"{found[size][key]['seconds']:.1f}" for size in sizes])
        row(f"{name}, statements", [f"{found[size][key]['statements']:,}" for size in sizes])
    row("memory of the worker, MB", [f"{found[size]['megabytes']}" for size in sizes])
    row("rows", [f"{found[size]['rows']:,}" for size in sizes])
    row("on the disk, MB", [f"{found[size]['bytes'] / 1e6:.0f}" for size in sizes])
    print(f"\nMilliseconds that do not grow (goal {GOAL})")
    per_company = {size: found[size]["again"]["seconds"] / size * 1000 for size in sizes}
    row("Sync Now, of one company", [f"{per_company[size]:.2f}" for size in sizes],
        f"{per_company[large] / per_company[small]:.2f}")  # fmt: skip
    for name in found[small]["answers"]:
        times = [found[size]["answers"][name] for size in sizes]
        row(name, [f"{seconds * 1000:.0f}" for seconds in times], f"{times[-1] / times[0]:.2f}")
