"""Many rows at once: asked for by their keys, and written, each in one statement.

`__in` and `bulk_create` make a literal of each value, which PostgreSQL then reads one by one: with
rows by the thousand most of a first sync's time goes there (`make bench`). An array a column is
quicker for both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models.sql.compiler import SQLCompiler

from audit_site.db.batches import batched

RowT = TypeVar("RowT", bound=models.Model)
PAGE: Final = 5000
#: SQLite takes so many values in a statement, and has no statements to save: it is in the process.
MOST_VALUES: Final = 30_000


class AnyOf(models.Func):
    """Whether a column is one of these values; one parameter, however many they are.

    Of none the database is not asked, as with `__in`.
    """

    output_field = models.BooleanField()

    def __init__(self, column: str, values: Iterable[Any] | AskedMany) -> None:
        self.values = values if isinstance(values, AskedMany) else list(values)
        super().__init__(column)

    def as_sql(self, compiler: SQLCompiler, connection: Any, *_: Any, **__: Any) -> Any:
        if not self.values:
            raise EmptyResultSet
        (column,) = self.get_source_expressions()
        sql, params = compiler.compile(column)
        field = column.output_field
        is_postgres = connection.vendor == "postgresql"
        given = self.values
        values: Any = (
            given.of(field) if isinstance(given, AskedMany) else one_parameter(field, given)
        )
        picked = f"= ANY(%s::{_type(field)}[])" if is_postgres else f"IN {FROM_JSON}"
        return f"{sql} {picked}", [*params, values]


#: How SQLite takes many values in one parameter.
FROM_JSON: Final = "(SELECT value FROM json_each(%s))"


def one_parameter(field: Any, values: Iterable[Any]) -> str:
    """Many values of a field as the one parameter that `AnyOf` compares with."""
    if connection.vendor == "postgresql":
        return _array(field, values)
    return json.dumps([field.get_db_prep_value(value, connection) for value in values])


@dataclass(frozen=True, slots=True)
class AskedMany:
    """Values for `AnyOf` that are known when a statement is asked (`audit_site.db.statements`)."""

    place: int
    field: Any = None

    def of(self, field: Any) -> AskedMany:
        return AskedMany(self.place, field)

    def value(self, values: tuple[Any, ...]) -> str:
        return one_parameter(self.field, values[self.place])


def bulk_upsert(model: type[RowT], rows: Sequence[RowT]) -> None:
    """Insert new instances and rewrite those that are there, all of their fields."""
    fields = model._meta.concrete_fields
    values = [[field.pre_save(row, row._state.adding) for field in fields] for row in rows]
    bulk_upsert_values(model, [field.attname for field in fields], values)
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias


def bulk_upsert_values(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    unique: Sequence[str] = ("id",),
) -> None:
    """Insert rows, or overwrite those that are there by their `unique` columns (their id stays)."""
    quote = connection.ops.quote_name
    fields: list[Any] = [model._meta.get_field(name) for name in columns]
    quoted = {name: quote(field.column) for name, field in zip(columns, fields, strict=True)}
    rest = [quoted[name] for name in columns if name not in {"id", *unique}]
    changes = ", ".join(f"{column} = EXCLUDED.{column}" for column in rest)
    insert = f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(quoted.values())}) "
    keys = ", ".join(quoted[name] for name in unique)
    conflict = f" ON CONFLICT ({keys}) DO UPDATE SET {changes}"  # nosec B608 # our own columns
    is_postgres = connection.vendor == "postgresql"
    source = _from_arrays if is_postgres else _from_values
    size = PAGE if is_postgres else MOST_VALUES // len(columns)
    with connection.cursor() as cursor:
        for page in batched(rows, size):
            select, values = source(fields, page)
            cursor.execute(f"{insert}{select}{conflict}", values)


def _from_arrays(fields: Sequence[Any], rows: Sequence[Sequence[Any]]) -> tuple[str, list[str]]:
    places = ", ".join(f"%s::{_type(field)}[]" for field in fields)
    columns = zip(*rows, strict=True)
    arrays = [_array(field, column) for field, column in zip(fields, columns, strict=True)]
    return f"SELECT * FROM unnest({places})", arrays  # noqa: S608  # nosec B608 # our own types


def _is_text(field: Any) -> bool:
    return isinstance(field, models.CharField | models.TextField)


def _type(field: Any) -> str:
    """Text has no length here: a cast would cut it to measure, where storing it is an error."""
    return "text" if _is_text(field) else field.db_type(connection)


def _array(field: Any, column: Iterable[Any]) -> str:
    """PostgreSQL's text of an array (its manual, 8.15.6: Array Input and Output Syntax).

    Of the fields that we have, the text of a value is what PostgreSQL reads; JSON is written out.
    """
    text: Callable[[Any], str] = str  # of ids, days, numbers: nothing to quote in it
    if _is_text(field):
        text = _quoted
    elif isinstance(field, models.BinaryField):
        text = lambda value: f'"\\\\x{bytes(value).hex()}"'  # noqa: E731
    elif isinstance(field, models.JSONField):
        encode = partial(json.dumps, cls=field.encoder)
        text = lambda value: _quoted(encode(value))  # noqa: E731
    return "{" + ",".join(["NULL" if value is None else text(value) for value in column]) + "}"


def _quoted(text: Any) -> str:
    text = str(text)
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _from_values(fields: Sequence[Any], rows: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    values = [
        field.get_db_prep_save(value, connection)
        for row in rows
        for field, value in zip(fields, row, strict=True)
    ]
    places = f"({', '.join(['%s'] * len(fields))})"
    return f"VALUES {', '.join([places] * len(rows))}", values
