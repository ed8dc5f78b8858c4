"""Create a tenant with its first admin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit_site.errors import FieldErrors
from audit_site.tenants.creating import NewTenant, create_tenant


class Command(BaseCommand):
    help = (
        "Create a tenant and invite its first admin by e-mail; prints one line of JSON. "
        "With a password, a person who is new is admin at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--admin-email", required=True)
        password = parser.add_mutually_exclusive_group()
        password.add_argument(
            "--password", help="for a person who is new; left out, they choose one by e-mail"
        )
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
        password = _password(options)
        try:
            made = create_tenant(
                name=options["name"],
                admin_email=options["admin_email"],
                password=password,
                company_limit=options["company_limit"],
                time_zone=options["timezone"],
                currency=options["currency"],
            )
        except FieldErrors as error:
            raise CommandError(" ".join(item["message"] for item in error.errors)) from None
        if made.is_invited:
            self.stderr.write(_said(made, password))
        line = {"tenant": str(made.tenant.pk), "user": str(made.admin.pk)}
        self.stdout.write(json.dumps(line | ({"invited": True} if made.is_invited else {})))


def _said(made: NewTenant, password: str | None) -> str:
    """What becomes of the admin, for whoever runs the command."""
    email = made.admin.email
    if not made.was_known:
        return f"An invitation goes to {email}: its link sets a password and makes them admin."
    unused = " The password was not used: they have an account." if password else ""
    return f"{email} is known: they are admin once they accept the invitation sent to them.{unused}"


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
