"""What it costs to keep books: syncs beside themselves without, two years of changes on the disk, and
figures as known a year ago beside today's.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.bench import first_sync
from tests.bench.scratch import begin, drop, environment, scratch

ROOT = Path(__file__).resolve().parents[2]
WEEKS, CHUNK = 104, 250
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
BEGAN = NOW - timedelta(weeks=WEEKS)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=books")
    parser.add_argument("--companies", type=int, default=1000, help="with 50 lines each")
    parser.add_argument("--synced", type=int, default=1600, help="0 = leave the syncs out")
    parser.add_argument("--rounds", type=int, default=2, help="of each sync; the best counts")
    parser.add_argument("--part", choices=("years",), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.part:
        print(json.dumps(years(chosen.companies)))
        return 0
    if chosen.synced:
        show_syncs(syncs(chosen.synced, chosen.rounds))
    return in_scratch(chosen.companies)


def in_scratch(companies: int) -> int:
    from audit_site.local.test import find_postgres  # noqa: PLC0415

    postgres = find_postgres()
    if not postgres:
        print("Two years of books: skipped, there is no PostgreSQL.")
        return 0
    with tempfile.TemporaryDirectory(prefix="audit-bench-") as var:
        env = environment(var, scratch(postgres))
        try:
            python = [sys.executable]
            subprocess.run([*python, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True)
            done = subprocess.run(
                [*python, "-m", "tests.bench", "books", "--part=years", f"--companies={companies}"],
                cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        finally:
            drop(postgres)
    show_years(json.loads(done.stdout.splitlines()[-1]), companies)
    return 0


# Syncs beside themselves


def syncs(companies: int, rounds: int) -> dict[str, dict[str, Any]]:
    """With keeping and without, by turns; the least of each."""
    found: dict[str, dict[str, Any]] = {}
    for keeps in ("1", "0") * rounds:
        os.environ["BENCH_KEEPS"] = keeps
        outcome = first_sync.measure(companies, 0, ["product"])["product"]
        outcomes = {"first": outcome, **{name: outcome[name] for name in ("same", "changed")}}
        known = found.setdefault(keeps, {})
        for name, one in outcomes.items():
            best = known.setdefault(name, dict(one))
            best["seconds"] = min(best["seconds"], one["seconds"])
    os.environ.pop("BENCH_KEEPS")
    return found


def show_syncs(found: dict[str, dict[str, Any]]) -> None:
    print("\nSyncs that keep books, beside the same without")
    for name, label in (
        ("first", "the first sync"),
        ("same", "Sync Now, nothing changed"),
        ("changed", "Sync Now, a hundredth changed"),
    ):
        kept, bare = found["1"][name], found["0"][name]
        print(
            f"{label:<32}{kept['seconds']:>8} s {bare['seconds']:>8} s"
            f"{kept['seconds'] / bare['seconds']:>7.3f} (goal 1.05)"
            f"{kept['statements']:>8} {bare['statements']:>6} statements; "
            f"{kept['versions']} versions written"
        )


# Two years


def years(companies: int) -> dict[str, Any]:
    """Fill in two years, a change a week in each company, and read."""
    begin()
    import time_machine  # noqa: PLC0415

    from audit_site.db import walls  # noqa: PLC0415

    with time_machine.travel(BEGAN, tick=True):
        tenant, texts = filled(companies)
        with walls.within(tenant.pk):
            first = sizes()
            for week in range(WEEKS):
                with time_machine.travel(BEGAN + timedelta(weeks=week, hours=1), tick=True):
                    a_week(tenant, texts, week)
    first_sync.a_while_passes()
    with time_machine.travel(NOW, tick=True), walls.within(tenant.pk):
        return {"first": first, "size": sizes(), "counts": counts(), **reads(tenant)}


def filled(companies: int) -> tuple[Any, dict[str, Any]]:
    """Companies with one agreement of 50 lines, or five of ten; their books, kept once."""
    from agreements import books  # noqa: PLC0415
    from agreements.models import Agreement, AgreementLine  # noqa: PLC0415
    from agreements.stored_mrr import refresh  # noqa: PLC0415
    from audit_site.db import walls  # noqa: PLC0415
    from audit_site.tenants.models import Tenant  # noqa: PLC0415
    from companies.models import Company  # noqa: PLC0415
    from integrations.models import Integration  # noqa: PLC0415

    rng = random.Random(1)  # noqa: S311
    tenant = Tenant.objects.create(name="Bench", company_limit=companies)
    psa = Integration.objects.create(tenant=tenant, psa="connectwise", name="CW", account_key="x")
    clients = [Company(tenant=tenant, name=f"Client {n}") for n in range(companies)]
    Company.objects.bulk_create(clients)
    agreements = [
        Agreement(
            tenant=tenant, company=client, integration=psa, source="connectwise", currency="USD",
            external_id=f"{number}-{part}", name=f"Managed services {number}", cycle="monthly",
            cycle_label="Monthly", cancelled=False, amount="0", start_date="2024-01-01",
            type="Managed", status="Active", fingerprint="", synced_at=BEGAN,
        )
        for number, client in enumerate(clients)
        for part in range(1 if number % 2 else 5)
    ]  # fmt: skip
    Agreement.objects.bulk_create(agreements)
    AgreementLine.objects.bulk_create(
        [
            AgreementLine(
                tenant=tenant, agreement=agreement, external_id=str(rng.randint(10**5, 10**7)),
                position=slot, kind="addition", product=f"SKU-{rng.randint(100, 999)}",
                description=f"Managed {rng.choice(('firewall', 'backup', 'desktop', 'server'))} {slot}",
                quantity=rng.randint(1, 40), unit_price=f"{rng.randint(1, 99)}.{rng.randint(10, 99)}",
                less_included=0, start_date="2024-01-01", fingerprint="",
            )
            for agreement in agreements
            for slot in range(10 if agreement.external_id.split("-")[0][-1] in "02468" else 50)
        ],
        batch_size=5000,
    )  # fmt: skip
    texts: dict[str, Any] = {}
    owners = {str(client.pk): tenant for client in clients}
    with walls.within(tenant.pk):
        refresh(tenant, [client.pk for client in clients])
        books.prepare_by_company(owners, {tenant.pk: BEGAN.date()}, texts=texts)
    return tenant, texts


def a_week(tenant: Any, texts: dict[str, Any], week: int) -> None:
    """In each company one line has another price: kept as a sync keeps it."""
    from django.db import transaction  # noqa: PLC0415

    from agreements.causes import Cause  # noqa: PLC0415
    from agreements.known import keeping  # noqa: PLC0415
    from agreements.models import CompanyBook  # noqa: PLC0415

    rng = random.Random(week)  # noqa: S311
    cause = Cause("sync", name="ConnectWise")
    ids = list(texts)
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        rows = CompanyBook.objects.filter(company__in=some)
        columns = ("company_id", "kept_from", "kept_digest", "kept_edition")
        kept = {str(pk): keeping.Mark(*mark) for pk, *mark in rows.values_list(*columns)}
        for company in some:
            agreement = rng.choice(list(texts[company].agreements.values()))
            slot = rng.randrange(len(agreement.lines))
            line = json.loads(agreement.lines[slot])
            line[0][3] = rng.randint(100, 99999) / 100
            agreement.lines[slot] = json.dumps(line)
        with transaction.atomic():
            marks = keeping.keep(
                keeping.candidate(company, tenant, texts[company], kept[company], cause)
                for company in some
            )
            for book in rows:
                mark = marks[str(book.company_id)]
                book.kept_from, book.kept_digest = mark.known_from, mark.digest
                book.save(update_fields=["kept_from", "kept_digest"])


def sizes() -> int:
    """Bytes of what is kept, indexes included."""
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_total_relation_size('agreements_bookpiece')"
            " + pg_total_relation_size('agreements_bookversion')"
        )
        return int(cursor.fetchone()[0])


def counts() -> list[int]:
    from agreements.models import BookPiece, BookVersion  # noqa: PLC0415

    return [BookVersion.objects.count(), BookPiece.objects.count()]


def reads(tenant: Any) -> dict[str, float]:
    """Figures as known a year ago, and today's, in milliseconds."""
    from agreements.as_known import company_as_known, tenant_as_known  # noqa: PLC0415
    from agreements.figures import company_figure, tenant_figure  # noqa: PLC0415
    from companies.models import Company  # noqa: PLC0415

    clients = list(Company.objects.select_related("tenant").order_by("pk")[:40])
    then = NOW - timedelta(days=365)
    return {
        "company_now": best(lambda: [company_figure(client) for client in clients]) / 40,
        "company_then": best(lambda: [company_as_known(one, then) for one in clients]) / 40,
        "tenant_now": best(lambda: tenant_figure(tenant)),
        "tenant_then": best(lambda: tenant_as_known(tenant, then)),
    }


def best(work: Callable[[], object], rounds: int = 3) -> float:
    """Milliseconds of the quickest time."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) * 1000)
    return round(min(taken), 2)


def show_years(found: dict[str, Any], companies: int) -> None:
    versions, pieces = found["counts"]
    megabytes = found["size"] / 2**20
    print(f"\n{companies} companies with 50 lines, each changed weekly for two years")
    print(
        f"{versions} versions in {pieces} pieces: {megabytes:.0f} MB with indexes (goal 200), "
        f"{found['size'] / versions:.0f} bytes a version"
    )
    for name, label in (("company", "a company's ledger"), ("tenant", "the tenant's figure")):
        then, now = found[f"{name}_then"], found[f"{name}_now"]
        print(
            f"As known a year ago, {label}: {then:.1f} ms, today's worked out anew {now:.1f} ms: "
            f"{then / now:.2f} (goal 1.5)"
        )
