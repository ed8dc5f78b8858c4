"""Erase a contact of a tenant, by its e-mail address."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit_site.db import walls
from audit_site.privacy.asked_tenant import asked_tenant
from audit_site.privacy.contact_erasure import (
    Erased,
    contacts_with,
    erase_contact,
    erase_shown_contact,
    shown_with,
)
from audit_site.tenants.models import Tenant


class Command(BaseCommand):
    help = (
        "Erase all contacts of a tenant with an e-mail address, everywhere and for good: their PSA "
        "does not bring them back. Ends with 1 if another person has the same number or name."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, help="its id")
        parser.add_argument("--email", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        tenant, email = asked_tenant(options["tenant"]), options["email"].strip()
        with walls.within(tenant.pk):
            self._erase(tenant, email)

    def _erase(self, tenant: Tenant, email: str) -> None:
        results = _erase_all(tenant, email) if email else []
        if not results:
            raise CommandError("No contact of this tenant has this e-mail address.")
        number, rows = len(results), sum(result.rows for result in results)
        contacts = "1 contact" if number == 1 else f"{number} contacts"
        self.stdout.write(f"{contacts} erased, in {rows} rows.")
        left = sorted({column for result in results for column in result.left_in()})
        if left:
            self.stdout.write(f"Another person's in {', '.join(left)} is the same.")
            raise SystemExit(1)


def _erase_all(tenant: Tenant, email: str) -> list[Erased]:
    results = []
    while found := contacts_with(tenant, email):
        results.append(erase_contact(contact=found[0], actor=None))
    while shown := shown_with(tenant, email):
        results.append(erase_shown_contact(record=shown[0], actor=None))
    return results
