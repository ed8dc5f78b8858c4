"""A first sync from Connect to MRR, beside the floor: the same requests at the same concurrency, and
a raw bulk insert of what they answer. Prints wall time, requests, SQL statements and peak memory; then
what a sync costs in which a hundredth has changed, and the memory for fifty times as many companies.
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
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.bench import sync_ways
from tests.bench.scratch import begin, drop, environment, heed_policies, scratch

ROOT = Path(__file__).resolve().parents[2]
#: How often a sync is done again, each time with nothing changed and with a hundredth changed.
ROUNDS = 2
#: As many at once as the product may ask (`PSA_MOST_REQUESTS`).
MOST_AT_ONCE = 16


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…")
    parser.add_argument("--companies", type=int, default=1600, help="5 in 7 can be imported")
    parser.add_argument("--many", type=int, default=50_000, help="0 = leave the memory of many out")
    parser.add_argument("--few", type=int, default=500, help="beside a PSA that refuses many")
    parser.add_argument("--latency", type=float, default=50, help="milliseconds for each answer")
    parser.add_argument("--part", choices=tuple(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.part:
        print(json.dumps(PARTS[chosen.part](chosen.url, chosen.companies)))
        return 0
    return compare(chosen.companies, chosen.latency, chosen.many, chosen.few)


def compare(companies: int, latency: float, many: int, few: int) -> int:
    """Run each part in a process of its own, against a sandbox of its own, and print them."""
    outcomes = {**measure(companies, latency, ["product", "floor"])}
    outcomes["walls"] = beside_itself(companies, latency)
    outcomes["ways"] = sync_ways.compare(measure, companies, latency, few)
    if many:
        few = measure(1000, 0, ["memory"])["memory"]
        outcomes["memory"] = {"few": few, "many": measure(many, 0, ["memory"])["memory"]}
    show(outcomes, companies, latency, many)
    sync_ways.show(outcomes["ways"], few)
    return 0


def beside_itself(companies: int, latency: float) -> dict[str, Any]:
    """The first sync with the policies between tenants and without, by turns; the better of two."""
    found: dict[str, Any] = {}
    for heeds in (True, False) * 2:
        outcome = measure(companies, latency, ["first"], heeds=heeds)["first"]
        known = found.setdefault("with" if heeds else "without", outcome)
        for name in ("seconds", "sql_seconds"):
            known[name] = min(known[name], outcome[name])
    return found


def measure(
    companies: int,
    latency: float,
    parts: list[str],
    *,
    heeds: bool = True,
    way: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    from audit_site.local.test import find_postgres  # noqa: PLC0415
    from tests.processes.installation import free_port  # noqa: PLC0415

    postgres, port = find_postgres(), free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="audit-bench-") as var:
        env = environment(
            var,
            scratch(postgres) if postgres else "",
            CONNECTWISE_CLIENT_ID="5a1d0b0e-0000-4000-8000-00000000a0d1",
            PSA_ALLOW_PRIVATE_HOSTS="1",
            **(way or {}),
        )
        serve = (
            "from integrations.sandbox.server import SandboxServer; import threading;"
            f"server = SandboxServer(port={port}, companies={companies}, latency_ms={latency},"
            " only='connectwise').__enter__(); threading.Event().wait()"
        )
        sandbox = subprocess.Popen([sys.executable, "-c", serve], cwd=ROOT, env=env)
        try:
            python = [sys.executable]
            subprocess.run([*python, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True)
            wait_for(url)
            if postgres:
                heed_policies(postgres, heeds=heeds)
            outcomes = {}
            for part in parts:
                done = subprocess.run(
                    [*python, "-m", "tests.bench", f"--part={part}", f"--url={url}", f"--companies={companies}"],
                    cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True,
                )  # fmt: skip
                outcomes[part] = json.loads(done.stdout.splitlines()[-1])
        finally:
            sandbox.terminate()
            sandbox.wait()
            if postgres:
                drop(postgres)
    return outcomes


def wait_for(url: str) -> None:
    """Until the sandbox has made its data and answers."""
    import requests  # noqa: PLC0415

    for _ in range(1200):
        try:
            requests.get(f"{url}/_sandbox/", timeout=5)
        except requests.RequestException:
            time.sleep(0.2)
        else:
            return


def show(outcomes: dict[str, Any], companies: int, latency: float, many: int) -> None:
    ours, bare = outcomes["product"], outcomes["floor"]
    print(f"First sync of {companies} companies, {latency:g} ms a request, {ours['database']}")
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
        f"\nOf the statements {ours['of_lines']} are about lines and MRR, {ours['of_the_test']} about the "
        f"connection test, {ours['of_the_rest']} about companies, contacts, agreements and runs (goal 250); in "
        f"the database: {ours['sql_seconds']} s"
    )
    print(
        f"Each sync again is the better of {ROUNDS}, behind a VACUUM ANALYZE; the first is the only one."
    )
    for name, label in (
        ("same", "Sync Now, nothing changed"),
        ("changed", "Sync Now, a hundredth changed"),
        ("by_itself", "Automatic sync, a hundredth changed"),
    ):
        again = ours[name]
        print(
            f"{label}: {again['seconds']} s, {again['statements']} statements "
            f"({again['statements'] / ours['statements']:.2f} of the first), {again['sql_seconds']} s in the "
            f"database ({again['sql_seconds'] / ours['sql_seconds']:.2f}, goal 0.15); {again['changed']} records "
            f"changed, {again['written']} rows written"
        )
    now, least = ours["changed"], bare["sync_now"]
    print(
        f"Sync Now, a hundredth changed, beside the same requests {MOST_AT_ONCE} at once that write nothing: "
        f"{now['seconds'] / least:.2f} (goal 1.15; {least} s), {now['statements']} statements (goal 120); "
        f"nothing changed: {ours['same']['written']} rows written (goal 0)"
    )
    with_them, without = outcomes["walls"]["with"], outcomes["walls"]["without"]
    if ours["database"] == "postgresql":
        print(
            f"\nThe first sync beside itself without the policies between tenants: "
            f"{with_them['seconds'] / without['seconds']:.2f} of its wall time (goal 1.1), "
            f"{with_them['sql_seconds'] / without['sql_seconds']:.2f} of its time in the database"
        )
    if memory := outcomes.get("memory"):
        few, lots = memory["few"]["megabytes"], memory["many"]["megabytes"]
        print(
            f"\nPeak memory of connecting, 500 imports and a full sync: 1,000 companies {few} MB, "
            f"{many:,} companies {lots} MB ({lots / few:.2f}, goal 1.5)"
        )


def megabytes() -> int:
    """The most memory this process has had; what its parent had before it counts not."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) // 1024


def prepare(url: str, companies: int) -> Any:
    """Set Django up in this process, and make a tenant whose licence covers all companies."""
    begin()
    if os.environ.get("BENCH_KEEPS") == "0":
        from agreements import stored_mrr  # noqa: PLC0415

        stored_mrr.KEEPING.clear()
    from celery import current_app  # noqa: PLC0415

    from audit_site.tenants.creating import create_tenant  # noqa: PLC0415

    current_app.conf.broker_url = "memory://"
    current_app.conf.broker_transport_options = {}
    control(url, "DELETE")
    tenant = create_tenant(
        name="Bench", admin_email="b@bench.example", company_limit=companies
    ).tenant
    forget_the_peak()
    return tenant


def forget_the_peak() -> None:
    """The hash of a password takes a hundred megabytes for a moment: no part of what is measured."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def credentials_for(url: str) -> dict[str, str]:
    return {
        "server_url": url,
        "company_id": "audit-demo",
        "public_key": "demo",
        "private_key": "demo-private",
    }


def first(url: str, companies: int) -> dict[str, Any]:
    """Connect, read the import list, import all that can be, read their agreements."""
    tenant, credentials = prepare(url, companies), credentials_for(url)
    from audit_site.db import walls  # noqa: PLC0415
    from integrations.connecting.lifecycle import create_integration  # noqa: PLC0415
    from integrations.importing.import_companies import import_companies  # noqa: PLC0415
    from integrations.models import PsaCompanyRecord  # noqa: PLC0415
    from tests.worker import work_off  # noqa: PLC0415

    clock = sync_ways.TodaysClock()
    sync_ways.choose_way()
    watched = sync_ways.watch_crowd(url)

    def work() -> None:
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
        work_off(clock.watch)

    with walls.within(tenant.pk):
        found = counted(work)
    log = control(url, "GET")["requests"]
    refused = sum(entry["status"] == 429 for entry in log)
    said = {"today": clock.seconds, "figures": sync_ways.figures(), "peak": watched()}
    return {**found, **said, "asked": len(log), "refused": refused}


def product(url: str, companies: int) -> dict[str, Any]:
    """The first sync; then the same again, with nothing and with a hundredth changed."""
    outcome = first(url, companies)
    from django.db import connection  # noqa: PLC0415

    from audit_site.db import walls  # noqa: PLC0415
    from integrations.models import Integration, SyncRun  # noqa: PLC0415
    from integrations.runs.starting import start_sync_run  # noqa: PLC0415
    from tests.worker import work_off  # noqa: PLC0415

    log = keep_log(url, "requests.json")
    runs = list(SyncRun.objects.all())
    created = {
        kind: sum(run.counts[kind]["created"] for run in runs)
        for kind in ("companies", "contacts", "agreements", "lines")
    }
    peak = megabytes()

    def again(trigger: str = "manual") -> dict[str, Any]:
        a_while_passes()
        control(url, "DELETE")
        rows = written_rows()
        integration = Integration.objects.get()
        with walls.within(integration.tenant_id):
            run, _ = start_sync_run(integration=integration, trigger=trigger)
            found = counted(work_off)
        run.refresh_from_db()
        changed = sum(c["created"] + c["updated"] + c["gone"] for c in run.counts.values())
        if trigger == "manual" and changed:
            keep_log(url, "sync_now.json")
        return {**found, "changed": changed, "written": written_rows() - rows}

    same, changed, by_itself = [], [], []
    for number in range(ROUNDS):
        same.append(again())
        change_a_hundredth(url, 2 * number)
        changed.append(again())
        change_a_hundredth(url, 2 * number + 1)
        by_itself.append(again("schedule"))

    def quicker(outcomes: list[dict[str, Any]]) -> dict[str, Any]:
        return min(outcomes, key=lambda found: float(found["sql_seconds"]))

    return {
        **outcome,
        "database": connection.vendor,
        "requests": len(log),
        "megabytes": peak,
        "rows": ", ".join(f"{count} {kind}" for kind, count in created.items()),
        "same": quicker(same),
        "changed": quicker(changed),
        "by_itself": quicker(by_itself),
    }


def keep_log(url: str, name: str) -> list[dict[str, Any]]:
    """Keep what was asked since the log was emptied, for the floor to ask it again."""
    log: list[dict[str, Any]] = control(url, "GET")["requests"]
    Path(os.environ["VAR_DIR"], name).write_text(json.dumps(log))
    return log


def a_while_passes() -> None:
    """PostgreSQL tidies up and looks at what it holds, as it does of itself behind a first sync."""
    from django.db import connection  # noqa: PLC0415

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def written_rows() -> int:
    """Rows that were written since ever to the tables that mirror the PSA; 0 on SQLite."""
    from django.db import connection  # noqa: PLC0415

    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables WHERE relname IN"
            " ('integrations_psacompanyrecord', 'integrations_psacontactrecord',"
            " 'companies_company', 'companies_contact', 'agreements_agreement',"
            " 'agreements_agreementline', 'agreements_agreementmrr', 'agreements_companymrr')"
        )
        return int(cursor.fetchone()[0])


def change_a_hundredth(url: str, number: int) -> None:
    """Rename each hundredth company and contact, and reprice each hundredth agreement and line."""
    import requests  # noqa: PLC0415

    from agreements.models import Agreement, AgreementLine  # noqa: PLC0415
    from integrations.models import PsaCompanyRecord, PsaContactRecord  # noqa: PLC0415

    kinds: tuple[tuple[Any, str, str, Any], ...] = (
        (PsaCompanyRecord, "companies", "name", f"Renamed {number}"),
        (PsaContactRecord, "contacts", "firstName", f"Renamed {number}"),
        (Agreement, "agreements", "billAmount", 4321.5 + number),
        (AgreementLine, "additions", "unitPrice", 12.34 + number),
    )
    for model, kind, field, value in kinds:
        for external_id in list(model.objects.order_by("id").values_list("external_id", flat=True))[
            ::100
        ]:
            body = {"do": "change", "kind": kind, "id": external_id, "values": {field: value}}
            requests.post(f"{url}/_sandbox/connectwise/change", json=body, timeout=30)


def memory(url: str, companies: int) -> dict[str, Any]:
    """Connect, read the list, import 500 companies, and read everything again."""
    tenant = prepare(url, companies)
    from audit_site.db import walls  # noqa: PLC0415
    from integrations.connecting.lifecycle import create_integration  # noqa: PLC0415
    from integrations.importing.import_companies import import_companies  # noqa: PLC0415
    from integrations.models import PsaCompanyRecord  # noqa: PLC0415
    from integrations.runs.starting import start_sync_run  # noqa: PLC0415
    from tests.worker import work_off  # noqa: PLC0415

    with walls.within(tenant.pk):
        integration, _ = create_integration(
            tenant=tenant, actor=None, psa="connectwise", credentials=credentials_for(url)
        )
        work_off()
        ids = PsaCompanyRecord.objects.filter(importable=True).values_list("external_id", flat=True)
        import_companies(integration=integration, external_ids=list(ids[:500]), actor=None)
        work_off()
        start_sync_run(integration=integration)
        work_off()
    return {"megabytes": megabytes(), "companies": PsaCompanyRecord.objects.count()}


def counted(work: Callable[[], None]) -> dict[str, Any]:
    """Wall time, SQL statements (those about lines and MRR apart), and seconds in the database."""
    from django.db import connection  # noqa: PLC0415

    from agreements.models import BookVersion  # noqa: PLC0415

    found = {"of_lines": 0, "of_the_test": 0, "of_the_rest": 0}
    in_database = 0.0

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal in_database
        names = (
            "agreementline",
            "bookpiece",
            "bookversion",
            "companybook",
            "companymrr",
            "agreementmrr",
        )
        about_lines = any(name in sql for name in names)
        about_test = "connectiontest" in sql
        found["of_lines" if about_lines else "of_the_test" if about_test else "of_the_rest"] += 1
        asked = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            in_database += time.perf_counter() - asked

    versions = BookVersion.objects.count()
    began = time.perf_counter()
    with connection.execute_wrapper(count):
        work()
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "versions": BookVersion.objects.count() - versions,
        "statements": sum(found.values()),
        "sql_seconds": round(in_database, 2),
        **found,
    }


def floor(url: str, companies: int) -> dict[str, Any]:
    """The same requests, as many at once, and one bulk insert of every row they answer; those of
    Sync Now without writing anything.
    """
    began = time.perf_counter()
    rows = ask_all(url, "requests.json")
    statements = insert(rows)
    seconds = round(time.perf_counter() - began, 2)
    again = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        ask_all(url, "sync_now.json")
        again.append(round(time.perf_counter() - began, 2))
    return {
        "seconds": seconds,
        "sync_now": min(again),
        "statements": statements,
        "requests": len(kept_log("requests.json")),
        "megabytes": megabytes(),
    }


def kept_log(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(Path(os.environ["VAR_DIR"], name).read_text())
    return found


def ask_all(url: str, name: str) -> list[tuple[str, str, str]]:
    """Ask everything of a kept log, as many at once as the product may; the rows of the answers."""
    import base64  # noqa: PLC0415
    import threading  # noqa: PLC0415

    import requests  # noqa: PLC0415

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

    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        return [row for answer in pool.map(ask, kept_log(name)) for row in answer]


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


PARTS: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "product": product,
    "first": first,
    "floor": floor,
    "memory": memory,
}


def control(url: str, method: str) -> Any:
    import requests  # noqa: PLC0415

    return requests.request(method, f"{url}/_sandbox/requests", timeout=30).json()
