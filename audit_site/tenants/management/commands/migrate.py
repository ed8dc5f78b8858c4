"""Django's `migrate`, as the owner of the tables."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import DEFAULT_DB_ALIAS, connections

from audit_site.db.walls import as_owner


class Command(DjangoMigrate):
    """Signs in by DATABASE_OWNER_URL, so that the application's own role need own nothing."""

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[DEFAULT_DB_ALIAS]
        if options["database"] != DEFAULT_DB_ALIAS or connection.vendor != "postgresql":
            super().handle(*args, **options)
            return
        ours = connection.settings_dict.copy()
        connection.close()
        connection.settings_dict.update(settings.DATABASE_OWNER)
        try:
            with as_owner():
                super().handle(*args, **options)
        finally:
            connection.close()
            connection.settings_dict.update(ours)
