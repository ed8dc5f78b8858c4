from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any
from uuid import UUID

import django
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.db.models import Count

from audit_site.tenants.models import Tenant
from companies.models import Company


class Command(BaseCommand):
    help = (
        "Compare all stored MRR with what the engine computes, and mend what differs. Prints one "
        "JSON line for each tenant in which something did; ends with 1 if --check found any."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", help="only this one, by its id")
        parser.add_argument("--check", action="store_true", help="tell, but mend nothing")
        parser.add_argument("--jobs", type=int, default=1, help="processes side by side")

    def handle(self, *args: Any, **options: Any) -> None:
        companies = Company.objects.values("tenant").annotate(number=Count("id"))
        if options["tenant"]:
            chosen = self._id(options["tenant"])
            if not Tenant.objects.filter(pk=chosen).exists():
                raise CommandError("There is no tenant with this id.")
            companies = companies.filter(tenant=chosen)
        # the largest first: side by side, nobody waits for it at the end
        ids = [str(row["tenant"]) for row in companies.order_by("-number", "tenant")]
        differing = 0
        for found in verified(ids, mend=not options["check"], jobs=options["jobs"]):
            if found["companies"]:
                differing += len(found["companies"])
                self.stdout.write(json.dumps(found))
        if not differing:
            self.stdout.write("All stored MRR is what the engine computes.")
        elif options["check"]:
            raise SystemExit(1)

    @staticmethod
    def _id(text: str) -> UUID:
        try:
            return UUID(text)
        except ValueError:
            return UUID(int=0)


def verified(tenant_ids: list[str], *, mend: bool, jobs: int) -> Iterator[dict[str, Any]]:
    """Verify tenants, in so many processes side by side; what each was found to be, in order."""
    questions = [(tenant_id, mend) for tenant_id in tenant_ids]
    if jobs < 2:
        yield from map(verify_one, questions)
        return
    connections.close_all()  # a connection that two processes use is broken for both
    # a copy of this process is there at once; where there are none, Django is set up anew
    copies = "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"
    context = multiprocessing.get_context("fork" if copies else "spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=django.setup) as pool:
        yield from pool.map(verify_one, questions)


def verify_one(question: tuple[str, bool]) -> dict[str, Any]:
    from agreements.services import stored  # noqa: PLC0415  a new process sets Django up first

    tenant_id, mend = question
    found = stored.verify(Tenant.objects.get(pk=tenant_id), mend=mend)
    return {
        "tenant": tenant_id,
        "companies": sorted(map(str, found.companies)),
        "rows": found.rows,
        "mended": mend,
    }
