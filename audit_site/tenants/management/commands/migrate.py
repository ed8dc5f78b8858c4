"""Django's `migrate`, as the owner of the tables."""

from __future__ import annotations

from typing import Any

from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import DEFAULT_DB_ALIAS

from audit_site.db.walls.owner_sign_in import signed_in_as_owner


class Command(DjangoMigrate):
    """Signs in by DATABASE_OWNER_URL, so that the application's own role need own nothing."""

    def handle(self, *args: Any, **options: Any) -> None:
        if options["database"] != DEFAULT_DB_ALIAS:
            super().handle(*args, **options)
            return
        with signed_in_as_owner():
            super().handle(*args, **options)
