"""A first sync from Connect to MRR, beside the floor: the same requests at the same concurrency, and
a raw bulk insert of what they answer. Prints wall time, requests, SQL statements and peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…")
    parser.add_argument("--companies", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=50, help="milliseconds for each answer")
    parser.add_argument("--part", choices=("product", "floor"), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.part:
        print(
            json.dumps(
                {"product": product, "floor": floor}[chosen.part](chosen.url, chosen.companies)
            )
        )
        return 0
    return compare(chosen.companies, chosen.latency)


def compare(companies: int, latency: float) -> int:
    """Start a sandbox and two processes one after the other, and print them side by side."""
    from audit_site.local.test import find_postgres  # noqa: PLC0415
    from tests.processes.conftest import free_port  # noqa: PLC0415

    postgres = find_postgres()
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="audit-bench-") as var:
        env = {
            **os.environ,
            "VAR_DIR": var,
            "SECRET_KEY": "bench" * 12,
            "CREDENTIAL_KEYS": "1:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
            "CONNECTWISE_CLIENT_ID": "5a1d0b0e-0000-4000-8000-00000000a0d1",
            "PSA_ALLOW_PRIVATE_HOSTS": "1",
            "LOG_LEVEL": "ERROR",
            "DATABASE_URL": scratch(postgres) if postgres else "",
        }
        python = [sys.executable]
        sandbox = subprocess.Popen(
            [*python, "manage.py", "psa_sandbox", f"--port={port}", f"--companies={companies}", f"--latency={latency}"],
            cwd=ROOT, env=env, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            subprocess.run([*python, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True)
            time.sleep(2 + companies / 5000)
            outcomes = {}
            for part in ("product", "floor"):
                done = subprocess.run(
                    [*python, "-m", "tests.bench", f"--part={part}", f"--url=http://127.0.0.1:{port}", f"--companies={companies}"],
                    cwd=ROOT, env=env, check=True, capture_output=True, text=True,
                )  # fmt: skip
                outcomes[part] = json.loads(done.stdout.splitlines()[-1])
        finally:
            sandbox.terminate()
            sandbox.wait()
            if postgres:
                drop(postgres)
    show(outcomes, companies, latency, "PostgreSQL" if postgres else "SQLite")
    return 0


def show(outcomes: dict[str, Any], companies: int, latency: float, database: str) -> None:
    ours, bare = outcomes["product"], outcomes["floor"]
    print(f"First sync of {companies} companies, {latency:g} ms a request, {database}")
    print(f"({ours['rows']})\n")
    print(f"{'':<28}{'ours':>12}{'floor':>12}{'ratio':>9}")
    for name, label in (
        ("seconds", "wall time, s"),
        ("requests", "requests"),
        ("statements", "SQL statements"),
        ("megabytes", "peak memory, MB"),
    ):
        print(f"{label:<28}{ours[name]:>12}{bare[name]:>12}{ours[name] / bare[name]:>9.2f}")
    print(
        f"\nSync again, nothing changed: {ours['again_seconds']} s, {ours['again_statements']} SQL "
        f"statements ({ours['again_statements'] / ours['statements']:.2f} of the first), no row rewritten"
    )


def scratch(postgres: str) -> str:
    execute(
        postgres, "DROP DATABASE IF EXISTS audit_bench WITH (FORCE)", "CREATE DATABASE audit_bench"
    )
    return f"{postgres.rsplit('/', 1)[0]}/audit_bench"


def drop(postgres: str) -> None:
    execute(postgres, "DROP DATABASE IF EXISTS audit_bench WITH (FORCE)")


def execute(url: str, *statements: str) -> None:
    import psycopg2  # noqa: PLC0415

    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


def megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def product(url: str, companies: int) -> dict[str, Any]:
    """Connect, read the import list, import all that can be, read their agreements."""
    import django  # noqa: PLC0415

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "audit_site.settings")
    django.setup()
    from celery import current_app  # noqa: PLC0415

    from audit_site.tenants.services import create_tenant  # noqa: PLC0415
    from integrations.models import PsaCompanyRecord, SyncRun  # noqa: PLC0415
    from integrations.services.connection import create_integration  # noqa: PLC0415
    from integrations.services.importing import import_companies  # noqa: PLC0415
    from integrations.services.runs import start_sync_run  # noqa: PLC0415
    from tests.worker import work_off  # noqa: PLC0415

    current_app.conf.broker_url = "memory://"
    current_app.conf.broker_transport_options = {}
    credentials = {
        "server_url": url, "company_id": "audit-demo", "public_key": "demo", "private_key": "demo-private",
    }  # fmt: skip
    tenant, _, _ = create_tenant(
        name="Bench", admin_email="b@bench.example", company_limit=companies
    )
    control(url, "DELETE")

    def first() -> None:
        integration, _ = create_integration(
            tenant=tenant, actor=None, psa="connectwise", credentials=credentials
        )
        work_off()
        ids = list(
            PsaCompanyRecord.objects.filter(importable=True).values_list("external_id", flat=True)
        )
        for start in range(0, len(ids), 500):
            import_companies(
                integration=integration, external_ids=ids[start : start + 500], actor=None
            )
        work_off()

    seconds, statements = counted(first)
    requests_made = len(control(url, "GET")["requests"])
    runs = list(SyncRun.objects.all())
    created = {
        kind: sum(run.counts[kind]["created"] for run in runs)
        for kind in ("companies", "contacts", "agreements", "lines")
    }
    peak = megabytes()

    def again() -> None:
        run, _ = start_sync_run(integration=runs[0].integration)
        work_off()
        run.refresh_from_db()
        assert sum(c["created"] + c["updated"] + c["gone"] for c in run.counts.values()) == 0

    log = control(url, "GET")["requests"][:requests_made]
    Path(os.environ["VAR_DIR"], "requests.json").write_text(json.dumps(log))
    again_seconds, again_statements = counted(again)
    return {
        "seconds": seconds,
        "statements": statements,
        "requests": requests_made,
        "megabytes": peak,
        "rows": ", ".join(f"{count} {kind}" for kind, count in created.items()),
        "again_seconds": again_seconds,
        "again_statements": again_statements,
    }


def counted(work: Callable[[], None]) -> tuple[float, int]:
    """Wall time and SQL statements of some work."""
    from django.db import connection  # noqa: PLC0415

    statements = 0

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(sql, params, many, context)

    began = time.perf_counter()
    with connection.execute_wrapper(count):
        work()
    return round(time.perf_counter() - began, 2), statements


def floor(url: str, companies: int) -> dict[str, Any]:
    """The same requests, four at once, and one bulk insert of every row they answer."""
    import base64  # noqa: PLC0415
    import threading  # noqa: PLC0415

    import requests  # noqa: PLC0415

    log = json.loads(Path(os.environ["VAR_DIR"], "requests.json").read_text())
    keys = base64.b64encode(b"audit-demo+demo:demo-private").decode()
    headers = {
        "Authorization": f"Basic {keys}",
        "clientId": "bench",
        "pagination-type": "forward-only",
    }
    local = threading.local()

    def ask(entry: dict[str, str]) -> list[tuple[str, str, str]]:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.trust_env = False
        answer = local.session.get(f"{url}{entry['path']}?{entry['query']}", headers=headers).json()
        rows = answer if isinstance(answer, list) else []
        return [(entry["path"], str(row.get("id")), json.dumps(row)) for row in rows]

    began = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        rows = [row for answer in pool.map(ask, log) for row in answer]
    statements = insert(rows)
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "statements": statements,
        "requests": len(log),
        "megabytes": megabytes(),
    }


def insert(rows: list[tuple[str, str, str]]) -> int:
    url = os.environ["DATABASE_URL"]
    if not url:
        import sqlite3  # noqa: PLC0415

        database = sqlite3.connect(Path(os.environ["VAR_DIR"], "floor.sqlite3"))
        database.execute("CREATE TABLE floor (path text, id text, body text)")
        database.executemany("INSERT INTO floor VALUES (?, ?, ?)", rows)
        database.commit()
        return 2
    import psycopg2  # noqa: PLC0415
    from psycopg2.extras import execute_values  # noqa: PLC0415

    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE floor (path text, id text, body text)")
        execute_values(cursor, "INSERT INTO floor VALUES %s", rows, page_size=5000)
    connection.close()
    return 2 + len(rows) // 5000


def control(url: str, method: str) -> Any:
    import requests  # noqa: PLC0415

    return requests.request(method, f"{url}/_sandbox/requests", timeout=30).json()
