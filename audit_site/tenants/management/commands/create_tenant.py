"""Create a tenant with its first admin."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit_site.errors import FieldErrors
from audit_site.tenants.services import create_tenant


class Command(BaseCommand):
    help = "Create a tenant with its first admin; prints one line of JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--admin-email", required=True)
        parser.add_argument("--password", help="left out, one is made up for a new user")
        parser.add_argument("--company-limit", type=int, default=25)
        parser.add_argument("--timezone", default="UTC")
        parser.add_argument("--currency", default="USD")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant, user, made_up = create_tenant(
                name=options["name"],
                admin_email=options["admin_email"],
                password=options["password"],
                company_limit=options["company_limit"],
                time_zone=options["timezone"],
                currency=options["currency"],
            )
        except FieldErrors as error:
            raise CommandError(" ".join(item["message"] for item in error.errors)) from None
        line = {"tenant": str(tenant.pk), "user": str(user.pk)}
        self.stdout.write(json.dumps(line | ({"password": made_up} if made_up else {})))
