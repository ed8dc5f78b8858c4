from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Final
from uuid import UUID

import django
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.db.models import Count

from agreements.models import CompanyBook
from audit_site.db import walls
from audit_site.tenants.models import Tenant

#: Companies that one question to a process covers, if no tenant has more.
GROUP: Final = 400


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
        sizes = self._sizes(options["tenant"])
        differing = 0
        for found in verified(together(sizes), mend=not options["check"], jobs=options["jobs"]):
            differing += found["rows"] or len(found["companies"])
            self.stdout.write(json.dumps(found))
        if not differing:
            self.stdout.write("All stored MRR is what the engine computes.")
        elif options["check"]:
            raise SystemExit(1)

    def _sizes(self, wanted: str | None) -> list[tuple[UUID, int]]:
        """The tenants, and of how many companies each has a book.

        The largest first: side by side, nobody waits for it at the end.
        """
        with walls.as_system("verify_mrr"):
            books = CompanyBook.objects.order_by().values("tenant").annotate(number=Count("id"))
            numbers = dict(books.values_list("tenant", "number"))
            tenants = Tenant.objects.order_by("id")
            if wanted:
                tenants = tenants.filter(pk=self._id(wanted))
            ids = list(tenants.values_list("id", flat=True))
        if wanted and not ids:
            raise CommandError("There is no tenant with this id.")
        sizes = [(tenant_id, numbers.get(tenant_id, 0)) for tenant_id in ids]
        return sorted(sizes, key=lambda size: size[1], reverse=True)

    @staticmethod
    def _id(text: str) -> UUID:
        try:
            return UUID(text)
        except ValueError:
            return UUID(int=0)


def together(sizes: Iterable[tuple[UUID, int]]) -> Iterator[list[UUID]]:
    """Tenants in groups of a few transactions' work each, or of one tenant with more."""
    group, size = [], 0
    for tenant_id, number in sizes:
        group.append(tenant_id)
        size += number
        if size >= GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def verified(groups: Iterable[list[UUID]], *, mend: bool, jobs: int) -> Iterator[dict[str, Any]]:
    """Verify tenants, in so many processes side by side; each in which something differed."""
    questions = [(group, mend) for group in groups]
    if jobs < 2:
        for question in questions:
            yield from verify_group(question)
        return
    connections.close_all()  # a connection that two processes use is broken for both
    # a copy of this process is there at once; where there are none, Django is set up again
    copies = "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"
    context = multiprocessing.get_context("fork" if copies else "spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=django.setup) as pool:
        for found in pool.map(verify_group, questions):
            yield from found


def verify_group(question: tuple[list[UUID], bool]) -> list[dict[str, Any]]:
    from agreements import stored_mrr  # noqa: PLC0415  a new process sets Django up first

    tenant_ids, mend = question
    return [
        {
            "tenant": str(tenant_id),
            "companies": sorted(found.companies),
            "rows": found.rows,
            "mended": mend,
        }
        for tenant_id, found in stored_mrr.verify(tenant_ids, mend=mend).items()
        if found.companies or found.rows
    ]
