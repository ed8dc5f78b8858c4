"""The import list on PostgreSQL, two tenants with many PSA companies each, beside hand-written SQL.

The page is over the three connections of a tenant, REST over the first of them. For each view: the
whole answer, and what it asks the database for, beside SQL through psycopg2 that gets the same:
rows, names of linked companies, primary contacts and, for the page, all counts of tabs and filters.
All in one run.
"""

from __future__ import annotations

import argparse
import io
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

from tests.bench.scratch import begin, drop, environment, heed_policies, scratch

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 25

#: What a person can see of a row, for both sides.
COLUMNS = """r.id, r.external_id, r.name, r.status, r.type, r.is_active, r.contact_count, r.importable,
    r.rule_codes, r.primary_contact_id, r.url, r.first_seen_at, r.seen_at, r.gone_at,
    l.company_id, c.name, p.first_name, p.last_name, p.email, p.phone"""
ROWS = """
SELECT {columns} FROM (
    SELECT * FROM integrations_psacompanyrecord r
    WHERE r.tenant_id = %(tenant)s AND {lists} {where}
    ORDER BY r.search_text, {last} LIMIT 51
) r
LEFT JOIN integrations_companylink l ON l.tenant_id = r.tenant_id
    AND l.integration_id = r.integration_id AND l.external_id = r.external_id
    AND l.unlinked_at IS NULL
LEFT JOIN companies_company c ON c.id = l.company_id
LEFT JOIN integrations_psacontactrecord p ON p.tenant_id = r.tenant_id
    AND p.integration_id = r.integration_id AND p.external_id = r.primary_contact_id
ORDER BY r.search_text, r.{last_one}
"""
#: All rows in groups, linked ones apart: what tabs and filters count.
COUNT = """
SELECT r.integration_id, r.importable, r.rule_codes, r.type, r.status, r.ignored_at IS NOT NULL,
    count(*), count(l.id)
FROM integrations_psacompanyrecord r
LEFT JOIN integrations_companylink l ON l.tenant_id = r.tenant_id
    AND l.integration_id = r.integration_id AND l.external_id = r.external_id
    AND l.unlinked_at IS NULL
WHERE r.tenant_id = %(tenant)s AND r.integration_id = ANY(%(lists)s::uuid[]) {where}
GROUP BY 1, 2, 3, 4, 5, 6
"""
LINK = """EXISTS (SELECT 1 FROM integrations_companylink l WHERE l.tenant_id = r.tenant_id
    AND l.integration_id = r.integration_id AND l.external_id = r.external_id
    AND l.unlinked_at IS NULL)"""
ADD = f"AND r.importable AND r.ignored_at IS NULL AND NOT {LINK}"
HIDDEN = f"AND NOT r.importable AND r.ignored_at IS NULL AND NOT {LINK}"
#: label → the address's filters, the rows' condition, where the page begins, what the counts keep
PAGES = {
    "can be added": ("", ADD, "", ""),
    "deep page": ("tab=all&after={place}", "", "AND (r.search_text, r.id) > (%(place_text)s, %(place)s)", ""),
    "search, 8 find it": ("tab=all&search=quixotic", "AND r.search_text LIKE '%%quixotic%%'", "", "search"),
    "search, 1 id": ("tab=all&search=77777", "AND r.search_text LIKE '%%77777%%'", "", "search"),
    "search, nobody has it": ("tab=all&search=zqzq", "AND r.search_text LIKE '%%zqzq%%'", "", "search"),
    "hidden": ("tab=hidden", HIDDEN, "", ""),
    "hidden, one reason": ("tab=hidden&reason=no_contact", f"{HIDDEN} AND r.rule_codes -> 0 = '\"no_contact\"'", "", ""),
    "linked": ("tab=linked", f"AND {LINK}", "", ""),
    "ignored": ("tab=ignored", f"AND r.ignored_at IS NOT NULL AND NOT {LINK}", "", ""),
    "all": ("tab=all", "", "", ""),
    "status": ("tab=all&status=delinquent", "AND upper(r.status) = 'DELINQUENT'", "", ""),
    "type": ("tab=all&type=lead", "AND upper(r.type) = 'LEAD'", "", ""),
    "one connection": ("connection={list}", f"AND r.integration_id = %(integration)s {ADD}", "", ""),
    "new": ("tab=all&new=yes", "AND r.first_seen_at > %(since)s AND r.gone_at IS NULL AND r.ignored_at IS NULL", "", "search"),
}  # fmt: skip
DEEP = "AND (r.search_text, r.external_id) > (%(text)s, %(after)s)"
#: label → REST's filters, the rows' condition, and where the page begins
CASES = {
    "first page": ("", "", ""),
    "deep page": ("after={after}", "", DEEP),
    "search, 8 find it": ("search=quixotic", "AND r.search_text LIKE '%%quixotic%%'", ""),
    "importable": ("importable=yes", ADD, ""),
    "not importable": ("importable=no", f"AND NOT (true {ADD})", ""),
    "linked": ("linked=yes", f"AND {LINK}", ""),
    "status": ("status=delinquent", "AND upper(r.status) = 'DELINQUENT'", ""),
    "new": (
        "new=yes",
        "AND r.first_seen_at > %(since)s AND r.gone_at IS NULL AND r.ignored_at IS NULL",
        "",
    ),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=list")
    parser.add_argument("--companies", type=int, default=100_000)
    parser.add_argument("--part", choices=("measure",), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.part:
        print(json.dumps(measure(chosen.companies)))
        return 0
    return compare(chosen.companies)


def compare(companies: int) -> int:
    from audit_site.local.test import find_postgres  # noqa: PLC0415

    postgres = find_postgres()
    if not postgres:
        print("The import list: skipped, there is no PostgreSQL.")
        return 0
    with tempfile.TemporaryDirectory(prefix="audit-bench-") as var:
        env = environment(
            var, scratch(postgres), ALLOWED_HOSTS="testserver", PUBLIC_URL="http://127.0.0.1:8000"
        )
        try:
            python = [sys.executable]
            subprocess.run([*python, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True)
            done = subprocess.run(
                [*python, "-m", "tests.bench.import_list", "--part=measure", f"--companies={companies}"],
                cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        finally:
            drop(postgres)
    show(json.loads(done.stdout.splitlines()[-1]), companies)
    return 0


def show(outcomes: list[dict[str, Any]], companies: int) -> None:
    print(f"\nThe import list: {companies:,} PSA companies, and as many in a second tenant")
    print(f"(milliseconds, the best of {ROUNDS} rounds, ours and SQL by turns)")
    widths = (10, 9, 11, 9, 7, 11, 9, 7)
    for door, name in (("page", "the page, 3 connections"), ("rest", "REST, one of them")):
        head = ("answer", "queries", "database", "SQL", "ratio", "with rows", "SQL", "ratio")
        titles = "".join(f"{title:>{width}}" for title, width in zip(head, widths, strict=True))
        print(f"\n{name:<27}{titles}")
        for outcome in outcomes:
            if door not in outcome:
                continue
            found = outcome[door]
            (ours, ours_rows), (theirs, their_rows) = found["ours"], found["sql"]
            cells = (
                f"{found['answer']:.1f}", found["queries"],
                f"{ours:.2f}", f"{theirs:.2f}", f"{ours / theirs:.2f}",
                f"{ours_rows:.2f}", f"{their_rows:.2f}", f"{ours_rows / their_rows:.2f}",
            )  # fmt: skip
            line = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
            print(f"{outcome['label']:<27}{line}")
    show_walls(outcomes)
    print(
        "\nanswer: all of it through Django's test client, with sign-in, licence and HTML or JSON."
        "\ndatabase: asking for the list's rows (and the page's count), until PostgreSQL has answered"
        "\n(goal: ratio 2). with rows: the same, from building the queries to having the rows."
    )


def show_walls(outcomes: list[dict[str, Any]]) -> None:
    print("\nbeside itself without the policies between tenants (goal 1.1)")
    for door, name in (("page", "the page"), ("rest", "REST")):
        print(f"{name:<27}{'answer':>9}{'database':>11}")
        sums = [[0.0, 0.0], [0.0, 0.0]]
        for outcome in outcomes:
            if door not in outcome:
                continue
            with_them, without = outcome[door]["walls"]
            for kind in (0, 1):
                sums[kind][0] += with_them[kind]
                sums[kind][1] += without[kind]
            ratios = [with_them[kind] / without[kind] for kind in (0, 1)]
            print(f"{outcome['label']:<27}{ratios[0]:>9.2f}{ratios[1]:>11.2f}")
        total = [ours / bare for ours, bare in sums]
        print(f"{'all views together':<27}{total[0]:>9.2f}{total[1]:>11.2f}")


def fill(companies: int) -> dict[str, Any]:
    """Put the data in by COPY; the first tenant's integration, its admin and where its middle is."""
    from django.db import connection  # noqa: PLC0415

    from audit_site.db.folded_text import folded  # noqa: PLC0415
    from audit_site.ids import new_id  # noqa: PLC0415
    from audit_site.tenants.models import Membership, Tenant, User  # noqa: PLC0415
    from integrations.models import ImportListVisit, Integration  # noqa: PLC0415
    from integrations.sandbox.names import firm_name  # noqa: PLC0415

    rng = random.Random(1)  # noqa: S311
    now = datetime.now(UTC)
    tables: dict[str, tuple[str, io.StringIO]] = {
        "companies_company": ("id,tenant_id,name,status,created_at,updated_at", io.StringIO()),
        "integrations_psacompanyrecord": (
            "id,tenant_id,integration_id,external_id,name,search_text,status,type,is_active,is_deleted,"
            "is_merged,merged_into,is_own,default_contact_id,url,contact_count,active_contact_count,"
            "reachable_contact_count,primary_contact_id,importable,rule_codes,fingerprint,"
            "first_seen_at,seen_at,ignored_by_name,ignored_at",
            io.StringIO(),
        ),
        "integrations_psacontactrecord": (
            "id,tenant_id,integration_id,external_id,company_external_id,first_name,last_name,email,"
            "phone,is_active,is_default,fingerprint",
            io.StringIO(),
        ),
        "integrations_companylink": (
            "id,tenant_id,integration_id,company_id,external_id,linked_at,problem_codes",
            io.StringIO(),
        ),
    }

    def put(table: str, *values: Any) -> None:
        tables[table][1].write("\t".join(map(str, values)) + "\n")

    made = []
    for number in range(2):
        tenant = Tenant.objects.create(name=f"Bench {number}", company_limit=companies)
        lists = [
            Integration.objects.create(
                tenant=tenant, psa="connectwise", name=f"CW {key}", account_key=key,
                status="connected", companies_read_at=now,
            )
            for key in "xyz"
        ]  # fmt: skip
        user = User.objects.create_user(f"bench{number}@bench.example")
        Membership.objects.create(tenant=tenant, user=user, role="admin")
        for one in lists:
            ImportListVisit.objects.create(
                tenant=tenant, integration=one, user=user, looked_at=now - timedelta(hours=1)
            )
        made.append((lists, user))
        for position in range(companies):
            psa = lists[position % 3]
            key = str(20_000 + position)
            name = firm_name(rng, position)
            if position % max(1, companies // 8) == 7:
                name = f"Quixotic {name}"
            ready = rng.random() < 0.6
            status = "Active" if ready else rng.choice(("Active", "Inactive", "Delinquent"))
            code = "no_contact" if position % 50 == 3 else "inactive"
            is_aside = position % 40 == 11
            kind = "Lead" if position % 30 == 2 else "Customer"
            is_new = position % max(1, companies // 12) == 5
            put(
                "integrations_psacompanyrecord", new_id(), tenant.pk, psa.pk, key, name,
                folded(f"{name} {key}"), status, kind, "t", "f", "f", "", "f", f"C{key}", "",
                1, 1, 1, f"C{key}", "t" if ready else "f", "[]" if ready else f'["{code}"]', "f" * 32,
                now - timedelta(minutes=5 if is_new else 10_000 + position), now, "",
                now if is_aside else "\\N",
            )  # fmt: skip
            put(
                "integrations_psacontactrecord", new_id(), tenant.pk, psa.pk, f"C{key}", key, "Ada",
                "Byron", f"ada@c{key}.example", "", "t", "t", "f" * 32,
            )  # fmt: skip
            if ready and position % 12 == 0 and not is_aside:
                company = new_id()
                put("companies_company", company, tenant.pk, name, "active", now, now)
                put(
                    "integrations_companylink", new_id(), tenant.pk, psa.pk, company, key, now, "[]"
                )
    with connection.cursor() as cursor:
        for table, (columns, buffer) in tables.items():
            buffer.seek(0)
            cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", buffer)
        cursor.execute("VACUUM ANALYZE")  # as autovacuum does behind a first sync
    lists, user = made[0]
    ordered = lists[0].psa_companies.order_by("search_text", "external_id")
    middle = ordered[companies * 4 // 15]
    return {
        "integration": lists[0], "lists": lists, "user": user, "after": middle.external_id,
        "text": middle.search_text, "place": middle.pk, "since": now - timedelta(hours=1),
    }  # fmt: skip


def measure(companies: int) -> list[dict[str, Any]]:
    begin()
    import psycopg2  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from audit_site.db import walls  # noqa: PLC0415
    from integrations.models import ImportListVisit  # noqa: PLC0415

    data = fill(companies)
    integration = data["integration"]
    client = Client()
    client.force_login(data["user"])
    raw = psycopg2.connect(os.environ["DATABASE_URL"])
    raw.autocommit = True
    values = {
        "tenant": str(integration.tenant_id), "integration": str(integration.pk),
        "lists": [str(one.pk) for one in data["lists"]],
        "after": data["after"], "text": data["text"], "since": data["since"],
        "place": str(data["place"]), "place_text": data["text"],
    }  # fmt: skip

    def ask_sql(statement: str) -> tuple[list[Any], float]:
        with raw.cursor() as cursor:
            began = time.perf_counter()
            cursor.execute(statement, values)
            spent = time.perf_counter() - began
            return cursor.fetchall(), spent

    def rest_by_hand(where: str, begin: str) -> tuple[list[Any], float]:
        """The rows, and the seconds until the database had answered."""
        names = {"lists": "r.integration_id = %(integration)s", "last": "r.external_id"}
        where = f"{where} {begin}"
        return ask_sql(ROWS.format(columns=COLUMNS, where=where, last_one="external_id", **names))

    def page_by_hand(where: str, begin: str, counted: str) -> tuple[list[Any], float]:
        names = {"lists": "r.integration_id = ANY(%(lists)s::uuid[])", "last": "r.id"}
        rows, spent = ask_sql(
            ROWS.format(columns=COLUMNS, where=f"{where} {begin}", last_one="id", **names)
        )
        groups, more = ask_sql(COUNT.format(where=where if counted else ""))
        return [*rows, groups], spent + more

    def within(ask: Callable[[], Any]) -> Any:
        with walls.within(integration.tenant_id):
            return ask()

    outcomes = []
    for label, (query, where, begins, counted) in PAGES.items():
        asked = query.format(place=data["place"], list=integration.pk)
        page = f"/import/?{asked}"
        # the pages before have moved the mark
        ImportListVisit.objects.filter(user=data["user"]).update(looked_at=data["since"])
        same_page(
            label,
            within(lambda asked=asked: table_page(data, asked)),
            page_by_hand(where, begins, counted)[0],
        )
        outcomes.append(
            {
                "label": label,
                "page": {
                    **answered(lambda page=page: client.get(page)),
                    **by_turns(
                        lambda asked=asked: within(lambda: table_page(data, asked)),
                        lambda w=where, b=begins, c=counted: page_by_hand(w, b, c),
                    ),
                    "walls": beside_itself(lambda page=page: client.get(page)),
                },
            }
        )  # fmt: skip
    for label, (query, where, begins) in CASES.items():
        rest = (
            f"/api/v1/integrations/{integration.pk}/psa-companies/?{rest_query(label, query, data)}"
        )
        ImportListVisit.objects.filter(user=data["user"]).update(looked_at=data["since"])
        same(label, client.get(rest).json(), rest_by_hand(where, begins)[0])
        outcomes.append(
            {
                "label": label,
                "rest": {
                    **answered(lambda rest=rest: client.get(rest)),
                    **by_turns(
                        lambda rest=rest: within(
                            lambda: rest_list(integration, rest, data["since"])
                        ),
                        lambda w=where, b=begins: rest_by_hand(w, b),
                    ),
                    "walls": beside_itself(lambda rest=rest: client.get(rest)),
                },
            }
        )
    return outcomes


def table_page(data: dict[str, Any], query: str) -> Any:
    """What the page asks of the lists: its rows, their primary contacts, and all of its counts."""
    from dataclasses import replace  # noqa: PLC0415

    from django.http import QueryDict  # noqa: PLC0415

    from integrations.importing.facets import facets_of  # noqa: PLC0415
    from integrations.importing.table import (  # noqa: PLC0415
        condition,
        page_of,
        rows_of,
        with_links,
    )
    from integrations.web.import_filters import read_filters, read_id  # noqa: PLC0415
    from integrations.web.table_rows import _primaries  # noqa: PLC0415

    asked, tenant = QueryDict(query), data["integration"].tenant
    since = {one.pk: data["since"] for one in data["lists"]}
    filters = replace(read_filters(asked), since=since)
    rows = rows_of(tenant, data["lists"])
    shown = page_of(
        tenant, with_links(rows.filter(condition(filters))), after=read_id(asked.get("after", ""))
    )
    return shown, _primaries(tenant, shown.rows), facets_of(rows, filters)


def same_page(label: str, ours: Any, theirs: list[Any]) -> None:
    """Both sides must show the same companies in the same order, and count the same."""
    shown, _, facets = ours
    ids = [str(row.pk) for row in shown.rows]
    *rows, groups = theirs
    expected = [str(row[0]) for row in rows[:50]]
    if ids != expected:
        raise SystemExit(f"{label}: {ids[:3]}… is not what SQL finds: {expected[:3]}…")
    if (
        sum(facets.tabs[tab] for tab in facets.tabs if tab not in {"all", "suggested"})
        != facets.tabs["all"]
    ):
        raise SystemExit(f"{label}: the tabs do not add up: {facets.tabs}")
    if "&" not in label and not groups and facets.tabs["all"]:
        raise SystemExit(f"{label}: SQL counts nothing")


def rest_query(label: str, query: str, data: dict[str, Any]) -> str:
    """The page's filters in REST's words."""
    if label == "deep page":
        from urllib.parse import urlencode  # noqa: PLC0415

        from django.core.signing import Signer  # noqa: PLC0415

        path = f"/api/v1/integrations/{data['integration'].pk}/psa-companies/"
        signer = Signer(salt=f"{path}?search_text,external_id")
        return urlencode({"cursor": signer.sign_object([0, False, data["text"]])})
    return query.replace("=yes", "=true").replace("=no", "=false")


def same(label: str, ours: Any, theirs: list[Any]) -> None:
    """Both sides must show the same companies in the same order."""
    shown = [row["external_id"] for row in ours["results"]]
    expected = [row[1] for row in theirs[:50]]
    if shown != expected:
        raise SystemExit(f"{label}: {shown[:3]}… is not what SQL finds: {expected[:3]}…")


def chosen_by(integration: Any, query: str, since: datetime) -> tuple[Any, dict[str, Any]]:
    from django.http import QueryDict  # noqa: PLC0415

    from integrations.importing.selectors import list_psa_companies  # noqa: PLC0415

    asked = QueryDict(query)
    words = {"yes": True, "no": False, "true": True, "false": False}
    flags: dict[str, Any] = {
        name: words.get(asked.get(name, "")) for name in ("importable", "linked", "new")
    }
    rows = list_psa_companies(
        integration, search=asked.get("search", ""), status=asked.get("status", ""), since=since, **flags
    )  # fmt: skip
    return rows, asked


def rest_list(integration: Any, address: str, since: datetime) -> Any:
    """What REST asks of it: its rows, by REST's own cursor."""
    from rest_framework.request import Request  # noqa: PLC0415
    from rest_framework.test import APIRequestFactory  # noqa: PLC0415

    from audit_site.api.pagination import Pagination  # noqa: PLC0415

    request = Request(APIRequestFactory().get(address))
    rows, _ = chosen_by(integration, address.partition("?")[2], since)
    return Pagination().paginate_queryset(rows, request)


def by_turns(
    ours: Callable[[], Any], by_hand: Callable[[], tuple[Any, float]]
) -> dict[str, tuple[float, float]]:
    """Milliseconds of the database alone and of everything, for both."""
    rounds = []
    for _ in range(ROUNDS):
        everything, database = timed(ours)
        began = time.perf_counter()
        _, raw = by_hand()
        rounds.append((database, everything, raw * 1000, (time.perf_counter() - began) * 1000))
    best = [min(column) for column in zip(*rounds, strict=True)]
    return {"ours": (best[0], best[1]), "sql": (best[2], best[3])}


def beside_itself(ask: Callable[[], Any]) -> list[tuple[float, float]]:
    """Milliseconds of a whole answer and of its time in the database, with the policies between
    tenants and without, by turns: the best of each.
    """
    postgres = os.environ["DATABASE_URL"]
    best = [(float("inf"), float("inf"))] * 2
    for _ in range(4):
        for place, heeds in enumerate((True, False)):
            heed_policies(postgres, heeds=heeds)
            ask()  # the server looks up once more what the role may
            for _ in range(ROUNDS // 4):
                found = timed(ask)
                best[place] = (min(best[place][0], found[0]), min(best[place][1], found[1]))
    heed_policies(postgres)
    return best


def timed(ask: Callable[[], Any]) -> tuple[float, float]:
    """Milliseconds of everything, and of the database alone."""
    from django.db import connection  # noqa: PLC0415

    spent = 0.0

    def watch(execute: Any, *rest: Any) -> Any:
        nonlocal spent
        began = time.perf_counter()
        try:
            return execute(*rest)
        finally:
            spent += time.perf_counter() - began

    began = time.perf_counter()
    with connection.execute_wrapper(watch):
        ask()
    return (time.perf_counter() - began) * 1000, spent * 1000


def answered(ask: Callable[[], Any]) -> dict[str, Any]:
    """Milliseconds and queries of a whole answer."""
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    spent = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        ask()
        spent.append(time.perf_counter() - began)
    milliseconds = min(spent) * 1000
    with CaptureQueriesContext(connection) as captured:
        answer = ask()
    if answer.status_code != 200:
        raise SystemExit(f"{answer.request['PATH_INFO']}: {answer.status_code}")
    return {"answer": milliseconds, "queries": len(captured)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
