"""Create a tenant with its first admin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit_site.errors import FieldErrors
from audit_site.tenants.creating import create_tenant


class Command(BaseCommand):
    help = "Create a tenant with its first admin; prints one line of JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--admin-email", required=True)
        password = parser.add_mutually_exclusive_group()
        password.add_argument("--password", help="left out, one is made up for a new user")
        password.add_argument(
            "--password-file",
            metavar="FILE",
            help="the first line of this file, or of standard input (-): a password typed on the "
            "command line can be seen by every user of the machine",
        )
        parser.add_argument("--company-limit", type=int, default=25)
        parser.add_argument("--timezone", default="UTC")
        parser.add_argument("--currency", default="USD")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant, user, made_up = create_tenant(
                name=options["name"],
                admin_email=options["admin_email"],
                password=_password(options),
                company_limit=options["company_limit"],
                time_zone=options["timezone"],
                currency=options["currency"],
            )
        except FieldErrors as error:
            raise CommandError(" ".join(item["message"] for item in error.errors)) from None
        line = {"tenant": str(tenant.pk), "user": str(user.pk)}
        self.stdout.write(json.dumps(line | ({"password": made_up} if made_up else {})))


def _password(options: dict[str, Any]) -> str | None:
    file: str | None = options["password_file"]
    if file is None:
        return cast("str | None", options["password"])
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise CommandError(f"{file} can't be read.") from None
    password = text.partition("\n")[0].rstrip("\r")
    if not password:
        raise CommandError(f"{file} holds no password in its first line.")
    return password
