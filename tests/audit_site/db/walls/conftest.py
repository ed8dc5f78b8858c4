"""The second wall stands on PostgreSQL alone."""

from __future__ import annotations

from typing import Any

from django.db import connection


def ask(statement: str, *values: Any) -> list[Any]:
    """The rows of a statement as it is, with nothing of the first wall in it."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())
