"""MRR of many agreements on PostgreSQL, beside one hand-written SQL aggregate that writes the same,
and beside pandas doing the same arithmetic and writing it back. All in one run.

The aggregate and pandas know only what this data needs (cycles, dates, quantity less included); the
engine knows the whole definition.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.bench.scratch import begin, drop, environment, scratch

ROOT = Path(__file__).resolve().parents[2]
CYCLES = {"monthly": (1, 1), "quarterly": (1, 3), "annual": (1, 12), "weekly": (13, 3)}
TODAY = datetime.now(UTC).date()

AGGREGATE = """
CREATE TEMP TABLE agreement_sums AS
SELECT a.id, a.tenant_id, a.company_id, a.currency, a.end_date,
       (a.amount + coalesce(sum(greatest(l.quantity - coalesce(l.less_included, 0), 0)
            * l.unit_price) FILTER (WHERE l.bill = 'billable'
            AND coalesce(l.start_date, DATE '0001-01-01') <= %(day)s
            AND coalesce(l.end_date, DATE '9999-12-31') >= %(day)s), 0))
       * CASE a.cycle #>> '{}' WHEN 'monthly' THEN 1.0 WHEN 'quarterly' THEN 1.0 / 3
              WHEN 'annual' THEN 1.0 / 12 ELSE 13.0 / 3 END AS amount,
       a.start_date <= %(day)s AND coalesce(a.end_date, DATE '9999-12-31') >= %(day)s AS in_force
FROM agreements_agreement a LEFT JOIN agreements_agreementline l ON l.agreement_id = a.id
GROUP BY a.id;
INSERT INTO agreements_agreementmrr
    (id, tenant_id, agreement_id, company_id, currency, exact, minor, included, reason, last_day,
     next_change)
SELECT gen_random_uuid(), tenant_id, id, company_id, currency,
       CASE WHEN in_force THEN amount ELSE 0 END::text,
       CASE WHEN in_force THEN round(amount * 100) ELSE 0 END, in_force,
       CASE WHEN in_force THEN '' ELSE 'expired' END, end_date,
       CASE WHEN end_date >= %(day)s THEN end_date + 1 ELSE DATE '9999-12-31' END
FROM agreement_sums;
INSERT INTO agreements_companymrr (id, tenant_id, company_id, currency, exact, minor)
SELECT gen_random_uuid(), tenant_id, company_id, currency, sum(amount)::text,
       round(sum(amount) * 100)
FROM agreement_sums WHERE in_force GROUP BY tenant_id, company_id, currency;
INSERT INTO agreements_companybook
    (id, tenant_id, company_id, version, computed_on, next_change, updated_at)
SELECT gen_random_uuid(), tenant_id, company_id, 1, %(day)s,
       min(end_date + 1) FILTER (WHERE end_date >= %(day)s), now()
FROM agreement_sums GROUP BY tenant_id, company_id;
"""
#: What is measured in turns, so that a machine whose speed changes is so for all; the best counts.
COMPARED, ROUNDS = ("aggregate", "pandas", "engine", "day"), 3
EMPTY = "TRUNCATE agreements_agreementmrr, agreements_companymrr, agreements_companybook"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--tenants", type=int, default=200)
    parser.add_argument("--agreements", type=int, default=100_000)
    parser.add_argument("--part", choices=tuple(PARTS), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.part:
        print(json.dumps(measured(PARTS[chosen.part])))
        return 0
    return compare(chosen.tenants, chosen.agreements)


def compare(tenants: int, agreements: int) -> int:
    from audit_site.local.test import find_postgres  # noqa: PLC0415

    postgres = find_postgres()
    if not postgres:
        print("MRR of many agreements: skipped, there is no PostgreSQL.")
        return 0
    with tempfile.TemporaryDirectory(prefix="audit-bench-") as var:
        env = environment(var, scratch(postgres), BENCH_SIZE=f"{tenants},{agreements}")
        try:
            python = [sys.executable]
            subprocess.run([*python, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True)
            outcomes: dict[str, Any] = {}
            for part in ("fill", *COMPARED * ROUNDS, "company", "series"):
                done = subprocess.run(
                    [*python, "-m", "tests.bench.mrr", f"--part={part}"],
                    cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True,
                )  # fmt: skip
                found = json.loads(done.stdout.splitlines()[-1])
                best = outcomes.setdefault(part, found)
                if found.get("seconds", 0) < best.get("seconds", 0):
                    outcomes[part] = found
        finally:
            drop(postgres)
    show(outcomes, tenants, agreements)
    return 0


def show(outcomes: dict[str, Any], tenants: int, agreements: int) -> None:
    ours, sql, frame = outcomes["engine"], outcomes["aggregate"], outcomes["pandas"]
    print(f"\nMRR of {agreements:,} agreements, {agreements * 5:,} lines, {tenants} tenants")
    print(f"(the best of {ROUNDS}, by turns; the engine in {os.cpu_count()} processes)")
    print(f"\n{'':<34}{'seconds':>10}{'MB':>8}{'ours / it':>11}")
    print(f"{'the engine, everything':<34}{ours['seconds']:>10}{ours['megabytes']:>8}")
    for name, found in (("one SQL aggregate (goal 4)", sql), ("pandas (goal 1)", frame)):
        ratio = f"{ours['seconds'] / found['seconds']:.2f}" if found.get("seconds") else "-"
        print(
            f"{name:<34}{found.get('seconds', '-'):>10}{found.get('megabytes', '-'):>8}{ratio:>11}"
        )
    day, one, year = outcomes["day"], outcomes["company"], outcomes["series"]
    print(
        f"\nA day on which {day['companies']} companies change: {day['seconds']} s, "
        f"{day['seconds'] / ours['seconds']:.3f} of everything (goal 0.05)"
    )
    print(
        f"One company's MRR with ledger, 50 agreements: {one['queries']} queries, "
        f"{one['milliseconds']} ms"
    )
    print(
        f"A year's series of 5,000 agreements: {year['series']} s; twelve single figures: "
        f"{year['figures']} s ({year['series'] / year['figures']:.2f})"
    )


def measured(part: Any) -> dict[str, Any]:
    begin()
    from audit_site.tenants import models  # noqa: PLC0415

    models.Tenant.today = lambda self, at=None: day_of[0]
    outcome: dict[str, Any] = part()
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"megabytes": megabytes, **outcome}


day_of = [TODAY]


def fill() -> dict[str, Any]:
    """Put the data in by COPY: tenants of companies of five agreements of five lines."""
    from django.db import connection  # noqa: PLC0415

    from audit_site.ids import new_id  # noqa: PLC0415
    from audit_site.tenants.models import Tenant  # noqa: PLC0415
    from integrations.models import Integration  # noqa: PLC0415

    tenants, agreements = map(int, os.environ["BENCH_SIZE"].split(","))
    rng = random.Random(1)  # noqa: S311
    sizes = [agreements // tenants] * (tenants - 1) + [5_000]
    tables: dict[str, tuple[str, io.StringIO]] = {
        "companies_company": ("id,tenant_id,name,status,created_at,updated_at", io.StringIO()),
        "agreements_agreement": (
            "id,tenant_id,company_id,integration_id,source,external_id,name,type,former_type,status,currency,"
            "start_date,end_date,no_end,cancelled,cycle,cycle_label,amount,parent_external_id,"
            "incomplete,fingerprint,lines_fingerprint,synced_at",
            io.StringIO(),
        ),
        "agreements_agreementline": (
            "id,tenant_id,agreement_id,external_id,position,kind,description,product,quantity,"
            "unit_price,less_included,bill,start_date,end_date,fingerprint",
            io.StringIO(),
        ),
    }
    companies, books, lines = (buffer for _, buffer in tables.values())
    moment, number = f"{TODAY} 00:00:00+00", 0
    for size in sizes:
        tenant = Tenant.objects.create(name="Bench", company_limit=10_000)
        psa = Integration.objects.create(
            tenant=tenant, psa="connectwise", name="CW", account_key="x"
        )
        company = None
        for position in range(size):
            if position % 5 == 0:
                company = new_id()
                companies.write(
                    f"{company}\t{tenant.pk}\tC{position}\tactive\t{moment}\t{moment}\n"
                )
            agreement, number = new_id(), number + 1
            ends_today = rng.random() < 0.005
            end = TODAY if ends_today else TODAY + timedelta(days=rng.randint(-300, 900))
            start = TODAY - timedelta(days=rng.randint(400, 1500))
            cycle = rng.choice(list(CYCLES))
            books.write(
                f"{agreement}\t{tenant.pk}\t{company}\t{psa.pk}\tconnectwise\tA{number}\tName\t\t\t\t"
                f"USD\t{start}\t{end if ends_today or rng.random() < 0.6 else chr(92) + 'N'}\tf\tf\t"
                f'"{cycle}"\t\t{rng.randint(0, 900)}.{rng.randint(0, 99):02}\t\tf\t\t\t{moment}\n'
            )
            for slot in range(5):
                lines.write(
                    f"{new_id()}\t{tenant.pk}\t{agreement}\tL{slot}\t{slot}\taddition\tSeats\tP{slot}"
                    f"\t{rng.randint(1, 40)}\t{rng.randint(1, 99)}.{rng.randint(0, 99):02}"
                    f"\t{rng.choice((0, 0, 5))}\t{rng.choice(('billable',) * 9 + ('no_charge',))}"
                    f"\t{start}\t\\N\t\n"
                )
    with connection.cursor() as cursor:
        for table, (columns, buffer) in tables.items():
            buffer.seek(0)
            cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", buffer)
        cursor.execute("ANALYZE")
    return {}


def engine() -> dict[str, Any]:
    """`verify_mrr --jobs N` over everything, nothing being stored yet."""
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(f"{EMPTY}, agreements_bookversion, agreements_bookpiece")
    began = time.perf_counter()
    call_command("verify_mrr", "--jobs", str(os.cpu_count()), stdout=io.StringIO())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    return {"seconds": round(time.perf_counter() - began, 2), "megabytes": peak}


def day() -> dict[str, Any]:
    from agreements import stored_mrr  # noqa: PLC0415

    day_of[0] = TODAY + timedelta(days=1)
    began = time.perf_counter()
    passed = stored_mrr.pass_days()
    return {"seconds": round(time.perf_counter() - began, 2), "companies": passed}


def company() -> dict[str, Any]:
    from django.db import connection  # noqa: PLC0415
    from django.db.models import Count  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    from agreements.figures import company_figure  # noqa: PLC0415
    from agreements.models import Agreement  # noqa: PLC0415
    from audit_site.db import walls  # noqa: PLC0415
    from companies.models import Company  # noqa: PLC0415

    chosen = Company.objects.annotate(n=Count("agreements")).select_related("tenant")[0]
    others = Agreement.objects.filter(tenant=chosen.tenant)[:50].values("pk")
    Agreement.objects.filter(pk__in=list(others.values_list("pk", flat=True))).update(
        company=chosen
    )
    with walls.within(chosen.tenant_id):
        company_figure(chosen)
        with CaptureQueriesContext(connection) as queries:
            began = time.perf_counter()
            company_figure(chosen)
    milliseconds = round((time.perf_counter() - began) * 1000, 1)
    return {"queries": len(queries), "milliseconds": milliseconds}


def series() -> dict[str, Any]:
    from django.db.models import Count  # noqa: PLC0415

    from agreements.figures import months_of, tenant_figure, tenant_parts  # noqa: PLC0415
    from agreements.models import Agreement  # noqa: PLC0415
    from audit_site.db import walls  # noqa: PLC0415
    from audit_site.tenants.models import Tenant  # noqa: PLC0415

    counts = Agreement.objects.values("tenant").annotate(n=Count("id")).order_by("-n")
    tenant = Tenant.objects.get(pk=counts[0]["tenant"])
    with walls.within(tenant.pk):
        began = time.perf_counter()
        months_of(tenant_parts(tenant), TODAY.replace(month=1, day=1), 12)
        middle = time.perf_counter()
        for month in range(1, 13):
            tenant_figure(tenant, TODAY.replace(month=month, day=15))
    return {
        "series": round(middle - began, 2),
        "figures": round(time.perf_counter() - middle, 2),
    }


def aggregate() -> dict[str, Any]:
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(EMPTY)
        began = time.perf_counter()
        cursor.execute(AGGREGATE, {"day": TODAY})
    return {"seconds": round(time.perf_counter() - began, 2)}


def pandas() -> dict[str, Any]:
    try:
        import pandas as pd  # noqa: PLC0415
    except ImportError:
        return {}
    from django.db import connection  # noqa: PLC0415

    from audit_site.ids import new_id  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(EMPTY)
        began = time.perf_counter()
        cursor.execute(
            "SELECT id::text, tenant_id::text, company_id::text, currency, cycle #>> '{}', amount,"
            " start_date, end_date FROM agreements_agreement"
        )
        names = ["id", "tenant", "company", "currency", "cycle", "amount", "start", "end"]
        books = pd.DataFrame(cursor.fetchall(), columns=names)
        cursor.execute(
            "SELECT agreement_id::text, quantity, unit_price, coalesce(less_included, 0), bill,"
            " start_date, end_date FROM agreements_agreementline"
        )
        names = ["id", "quantity", "price", "included", "bill", "start", "end"]
        lines = pd.DataFrame(cursor.fetchall(), columns=names)
        for column in ("quantity", "price", "included"):
            lines[column] = lines[column].astype(float)
        last = date(9999, 12, 31)
        lines = lines[
            (lines.bill == "billable")
            & (lines.start.fillna(date.min) <= TODAY)
            & (lines.end.fillna(last) >= TODAY)
        ]
        net = (lines.quantity - lines.included).clip(lower=0) * lines.price
        sums = net.groupby(lines.id).sum()
        factor = books.cycle.map({name: n / d for name, (n, d) in CYCLES.items()})
        books["mrr"] = (books.amount.astype(float) + books.id.map(sums).fillna(0)) * factor
        books["in_force"] = (books.start <= TODAY) & (books.end.fillna(last) >= TODAY)
        books.loc[~books.in_force, "mrr"] = 0.0
        coming = books[books.end.notna() & (books.end.fillna(date.min) >= TODAY)]
        behind = coming.end + timedelta(days=1)
        days = dict(zip(coming.id, behind, strict=True))
        out = io.StringIO()
        for row in books.itertuples():
            reason = "" if row.in_force else "expired"
            out.write(
                f"{new_id()}\t{row.tenant}\t{row.id}\t{row.company}\t{row.currency}\t{row.mrr}\t"
                f"{round(row.mrr * 100)}\t{row.in_force}\t{reason}\t{row.end or chr(92) + 'N'}\t"
                f"{days.get(row.id, date.max)}\n"
            )
        out.seek(0)
        cursor.copy_expert(
            "COPY agreements_agreementmrr (id,tenant_id,agreement_id,company_id,currency,exact,"
            "minor,included,reason,last_day,next_change) FROM STDIN",
            out,
        )
        totals = books[books.in_force].groupby(["tenant", "company", "currency"]).mrr.sum()
        out = io.StringIO()
        for (tenant, company_id, currency), amount in totals.items():
            out.write(
                f"{new_id()}\t{tenant}\t{company_id}\t{currency}\t{amount}\t{round(amount * 100)}\n"
            )
        out.seek(0)
        columns = "id,tenant_id,company_id,currency,exact,minor"
        cursor.copy_expert(f"COPY agreements_companymrr ({columns}) FROM STDIN", out)
        changes = behind.groupby(coming.company).min().to_dict()
        out = io.StringIO()
        for row in books[["tenant", "company"]].drop_duplicates().itertuples():
            out.write(
                f"{new_id()}\t{row.tenant}\t{row.company}\t1\t{TODAY}\t"
                f"{changes.get(row.company, chr(92) + 'N')}\t{datetime.now(UTC)}\n"
            )
        out.seek(0)
        columns = "id,tenant_id,company_id,version,computed_on,next_change,updated_at"
        cursor.copy_expert(f"COPY agreements_companybook ({columns}) FROM STDIN", out)
    return {"seconds": round(time.perf_counter() - began, 2)}


PARTS = {
    "fill": fill,
    "engine": engine,
    "day": day,
    "company": company,
    "series": series,
    "aggregate": aggregate,
    "pandas": pandas,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
