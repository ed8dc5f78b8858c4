"""Signing in as the owner of the tables, for the few commands that need to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections

from audit_site.db.walls.asker import as_owner


@contextmanager
def signed_in_as_owner() -> Iterator[None]:
    """Inside, statements are the owner's, who signs in by DATABASE_OWNER_URL where there is one."""
    connection = connections[DEFAULT_DB_ALIAS]
    is_another = settings.DATABASE_OWNER.keys() != {"OPTIONS"}
    if connection.vendor != "postgresql" or not is_another:
        with as_owner():
            yield
        return
    ours = connection.settings_dict.copy()
    connection.close()
    connection.settings_dict.update(settings.DATABASE_OWNER)
    try:
        with as_owner():
            yield
    finally:
        connection.close()
        connection.settings_dict.update(ours)
