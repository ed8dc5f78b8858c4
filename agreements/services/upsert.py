"""Writing many plain rows at once.

`bulk_create` makes a model instance of each row and asks each field twice; for derived rows by the
hundred thousand that is more work than working them out (`make bench`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, models

from audit_site.chunks import chunks

PAGE = 1000
#: Stands for null in an array until it is whole: a text that no column of PostgreSQL can hold.
NULL = "\0"


def upsert(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    unique: Sequence[str] = ("id",),
) -> None:
    """Insert rows, or overwrite those that are there by their `unique` columns (their id stays)."""
    quote = connection.ops.quote_name
    names = ", ".join(map(quote, columns))
    rest = [name for name in columns if name not in {"id", *unique}]
    changes = ", ".join(f"{quote(name)} = EXCLUDED.{quote(name)}" for name in rest)
    insert = f"INSERT INTO {quote(model._meta.db_table)} ({names}) "
    conflict = f" ON CONFLICT ({', '.join(map(quote, unique))}) DO UPDATE SET {changes}"
    fields = [model._meta.get_field(name) for name in columns]
    source = _from_arrays if connection.vendor == "postgresql" else _from_values
    with connection.cursor() as cursor:
        for page in chunks(rows, PAGE):
            select, values = source(fields, page)
            cursor.execute(f"{insert}{select}{conflict}", values)


def _from_arrays(fields: Sequence[Any], rows: Sequence[Sequence[Any]]) -> tuple[str, list[str]]:
    """One text a column: PostgreSQL takes it in half the time that single values need."""
    places = ", ".join(f"%s::{field.db_type(connection)}[]" for field in fields)
    arrays = [_array(column) for column in zip(*rows, strict=True)]
    return f"SELECT * FROM unnest({places})", arrays  # noqa: S608  types of our own


def _array(column: Iterable[Any]) -> str:
    """PostgreSQL's text of an array (its manual, 8.15.6: Array Input and Output Syntax)."""
    texts = [NULL if value is None else str(value) for value in column]
    joined = "".join(texts)
    if "\\" in joined or '"' in joined:
        texts = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    array = '{"' + '","'.join(texts) + '"}'
    return array.replace(f'"{NULL}"', "NULL")


def _from_values(fields: Sequence[Any], rows: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    values = [
        field.get_db_prep_save(value, connection)
        for row in rows
        for field, value in zip(fields, row, strict=True)
    ]
    places = f"({', '.join(['%s'] * len(fields))})"
    return f"VALUES {', '.join([places] * len(rows))}", values
