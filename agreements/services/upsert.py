"""Writing many plain rows at once.

`bulk_create` makes a model instance of each row and asks each field twice; for derived rows by the
hundred thousand that is more work than working them out (`make bench`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django.db import connection, models

PAGE = 1000


def upsert(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Insert rows, or overwrite those whose id is there. `columns` begin with `id`."""
    quote = connection.ops.quote_name
    names = ", ".join(map(quote, columns))
    changes = ", ".join(f"{quote(name)} = EXCLUDED.{quote(name)}" for name in columns[1:])
    table = quote(model._meta.db_table)
    insert = f"INSERT INTO {table} ({names}) VALUES "  # noqa: S608  names of our own
    conflict = f" ON CONFLICT ({quote('id')}) DO UPDATE SET {changes}"
    places = f"({', '.join(['%s'] * len(columns))})"
    plain = [[_plain(value) for value in row] for row in rows]
    with connection.cursor() as cursor:
        for start in range(0, len(plain), PAGE):
            page = plain[start : start + PAGE]
            values = ", ".join([places] * len(page))
            cursor.execute(f"{insert}{values}{conflict}", [value for row in page for value in row])


def _plain(value: Any) -> Any:
    """A value as both databases take it in a statement."""
    if isinstance(value, UUID):
        return str(value) if connection.vendor == "postgresql" else value.hex
    return value.isoformat() if isinstance(value, date) else value
