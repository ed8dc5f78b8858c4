"""Suggested links on PostgreSQL: a worker's time and memory for many audITees and PSA companies."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.scratch import begin, drop, environment, scratch

ROOT = Path(__file__).resolve().parents[2]
SIZES = ((500, 5_000), (2_000, 20_000), (2_000, 50_000))
GOAL_SECONDS = 10


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=matching")
    parser.add_argument("--part", choices=("measure",), help=argparse.SUPPRESS)
    parser.add_argument("--ours", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--theirs", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.part:
        print(json.dumps(measure(chosen.ours, chosen.theirs)))
        return 0
    return compare()


def compare() -> int:
    from audit_site.local.test import find_postgres  # noqa: PLC0415

    postgres = find_postgres()
    if not postgres:
        print("Suggested links: skipped, there is no PostgreSQL.")
        return 0
    print("\nSuggested links: audITees and PSA companies, worked out by one worker")
    print(f"{'':<18}{'first':>9}{'again':>9}{'found':>8}{'statements':>12}{'memory':>10}")
    for ours, theirs in SIZES:
        found = measured(postgres, ours, theirs)
        print(
            f"{ours:>6,} x {theirs:<9,}{found['first']:>7.1f} s{found['again']:>7.1f} s"
            f"{found['found']:>8,}{found['statements']:>12}{found['memory']:>7.0f} MB"
        )
        if (ours, theirs) == SIZES[1] and found["first"] > GOAL_SECONDS:
            print(f"   the goal is {GOAL_SECONDS} s")
    return 0


def measured(postgres: str, ours: int, theirs: int) -> dict[str, Any]:
    """In a process of its own, whose memory is this work's alone."""
    with tempfile.TemporaryDirectory(prefix="audit-bench-") as var:
        env = environment(var, scratch(postgres))
        python = [sys.executable]
        try:
            subprocess.run([*python, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True)
            part = ["-m", "tests.bench.matching", "--part=measure"]
            done = subprocess.run(
                [*python, *part, f"--ours={ours}", f"--theirs={theirs}"],
                cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        finally:
            drop(postgres)
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def measure(ours: int, theirs: int) -> dict[str, Any]:
    begin()
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    from integrations.models import LinkMatching, LinkSuggestion  # noqa: PLC0415

    tenant = fill(ours, theirs)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    first = work_out(tenant)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    found = LinkSuggestion.objects.count()
    with CaptureQueriesContext(connection) as captured:
        again = work_out(tenant)
    if LinkMatching.objects.get().found != found:
        raise SystemExit("Worked out again, it is not the same.")
    return {
        "first": first,
        "again": again,
        "found": found,
        "statements": len(captured),
        "memory": memory,
    }


def work_out(tenant: Any) -> float:
    """Seconds that a worker is busy, without the database's own."""
    from django.utils import timezone  # noqa: PLC0415

    from integrations.matching.suggesting import match_links, want_suggestions  # noqa: PLC0415
    from integrations.models import LinkMatching  # noqa: PLC0415

    want_suggestions(tenant_id=str(tenant.pk))
    LinkMatching.objects.update(due_at=timezone.now())
    matching = LinkMatching.objects.get()
    began = time.process_time()
    match_links(tenant_id=str(tenant.pk), matching_id=str(matching.pk))
    return time.process_time() - began


def fill(ours: int, theirs: int) -> Any:
    """A tenant with audITees and a PSA's companies, as `pairs.make_world` writes them."""
    from django.utils import timezone  # noqa: PLC0415

    from audit_site.tenants.models import Tenant  # noqa: PLC0415
    from companies.models import Company, Contact  # noqa: PLC0415
    from integrations.models import (  # noqa: PLC0415
        Integration,
        PsaCompanyRecord,
        PsaContactRecord,
    )
    from tests.integrations.matching.pairs import make_world  # noqa: PLC0415

    pairs = ours * 5 // 6
    world = make_world(pairs=pairs, strangers=theirs - pairs - pairs // 5)
    tenant = Tenant.objects.create(name="Bench")
    account = Integration.objects.create(
        tenant=tenant, psa="connectwise", name="ConnectWise", status="connected", account_key="x"
    )
    companies = {
        key: Company(tenant=tenant, name=one.name.strip()[:255])
        for key, one in world.our_side.items()
    }
    Company.objects.bulk_create(companies.values(), batch_size=2000)
    Contact.objects.bulk_create(
        [
            Contact(tenant=tenant, company=companies[key], email=email, phone=phone)
            for key, one in world.our_side.items()
            for email, phone in zip(one.emails, one.phones, strict=True)
        ],
        batch_size=2000,
    )
    now, owner = timezone.now(), {"tenant": tenant, "integration": account, "fingerprint": ""}
    PsaCompanyRecord.objects.bulk_create(
        [
            PsaCompanyRecord(external_id=key, name=one.name.strip(), seen_at=now, **owner)
            for key, one in world.their_side.items()
        ],
        batch_size=2000,
    )
    PsaContactRecord.objects.bulk_create(
        [
            PsaContactRecord(
                external_id=f"c{key}",
                company_external_id=key,
                email=(one.emails or [""])[0],
                phone=(one.phones or [""])[0],
                **owner,
            )
            for key, one in world.their_side.items()
        ],
        batch_size=2000,
    )
    return tenant


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
