"""Writing many plain rows at once.

`bulk_create` makes a model instance of each row and asks each field twice; for derived rows by the
hundred thousand that is more work than working them out (`make bench`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db import connection, models

PAGE = 1000


def upsert(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    unique: Sequence[str] = ("id",),
    only_missing: bool = False,
) -> None:
    """Insert rows, or overwrite those that are there by their `unique` columns (their id stays).

    `only_missing` leaves rows alone that are there, by whatever the database keeps unique.
    """
    quote = connection.ops.quote_name
    names = ", ".join(map(quote, columns))
    rest = [name for name in columns if name not in {"id", *unique}]
    changes = ", ".join(f"{quote(name)} = EXCLUDED.{quote(name)}" for name in rest)
    table = quote(model._meta.db_table)
    insert = f"INSERT INTO {table} ({names}) VALUES "  # noqa: S608  names of our own
    conflict = f" ON CONFLICT ({', '.join(map(quote, unique))}) DO UPDATE SET {changes}"
    if only_missing:
        conflict = " ON CONFLICT DO NOTHING"
    places = f"({', '.join(['%s'] * len(columns))})"
    # what neither database's driver takes as it is
    plain: dict[type, Callable[[Any], Any]] = {
        UUID: str if connection.vendor == "postgresql" else attrgetter("hex"),
        date: date.isoformat,
        datetime: datetime.isoformat,
    }
    values = [
        plain[type(value)](value) if type(value) in plain else value
        for row in rows
        for value in row
    ]
    size = PAGE * len(columns)
    with connection.cursor() as cursor:
        for start in range(0, len(values), size):
            page = values[start : start + size]
            lines = ", ".join([places] * (len(page) // len(columns)))
            cursor.execute(f"{insert}{lines}{conflict}", page)
