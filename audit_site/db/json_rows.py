"""Reading rows by the hundred thousand, alike on PostgreSQL and SQLite.

The database writes each row as one JSON array, and msgspec makes the typed object of it. Column by
column, a driver makes a Python object of each value first: for large books that takes longer than
working them out (`make bench`).
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Func, IntegerField, JSONField, TextField
from django.db.models.functions import Cast
from django.db.models.lookups import Contains
from django.db.models.sql.compiler import SQLCompiler
from msgspec.json import Decoder

T = TypeVar("T")


class JsonArray(Func):
    """One text: the JSON array of these columns. Decimals keep every digit."""

    output_field = TextField()

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **more: Any
    ) -> Any:
        template = "json_build_array(%(expressions)s)::text"
        return self.as_sql(compiler, connection, template=template, **more)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **more: Any) -> Any:
        copy = self.copy()
        copy.set_source_expressions(
            [
                Func(column, function="JSON") if _is_json(column) else column
                for column in self.get_source_expressions()
            ]
        )
        return copy.as_sql(compiler, connection, function="json_array", **more)


def _is_json(column: Any) -> bool:
    return isinstance(column.output_field, JSONField)


class IdText(Func):
    """A UUID as the text that Python writes, whichever database it comes from."""

    output_field = TextField()

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **more: Any
    ) -> Any:
        return self.as_sql(compiler, connection, template="(%(expressions)s)::text", **more)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **more: Any) -> Any:
        pieces = "||'-'||".join(
            f"substr(%(expressions)s, {start}, {length})"
            for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        )
        return self.as_sql(compiler, connection, template=f"({pieces})", **more)


def decoder(type_: type[T]) -> Decoder[T]:
    """Read what `JsonArray` wrote. SQLite knows no booleans: 0 and 1 will do."""
    return Decoder(type_, strict=False)


class JsonLength(Func):
    """How many items a JSON list has."""

    function = "jsonb_array_length"
    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, function="json_array_length", **extra)


def list_has(column: str, word: str) -> Contains:
    """Whether a JSON list of plain words holds this one; the same on both databases."""
    return Contains(Cast(column, TextField()), f'"{word}"')
