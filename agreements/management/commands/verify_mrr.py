from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agreements.services import stored
from audit_site.tenants.models import Tenant


class Command(BaseCommand):
    help = (
        "Compare all stored MRR with what the engine computes, and mend what differs. Prints one "
        "JSON line for each tenant in which something did; ends with 1 if --check found any."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", help="only this one, by its id")
        parser.add_argument("--check", action="store_true", help="tell, but mend nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        tenants = Tenant.objects.order_by("id")
        if options["tenant"]:
            tenants = Tenant.objects.filter(pk=self._id(options["tenant"]))
            if not tenants.exists():
                raise CommandError("There is no tenant with this id.")
        differing = 0
        for tenant in tenants.iterator():
            found = stored.verify(tenant, mend=not options["check"])
            if found.companies:
                differing += len(found.companies)
                line = {
                    "tenant": str(tenant.pk),
                    "companies": sorted(map(str, found.companies)),
                    "rows": found.rows,
                    "mended": not options["check"],
                }
                self.stdout.write(json.dumps(line))
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
