"""Queries that are asked with each request: Django writes their SQL once, and not each time, and
PostgreSQL plans them once a connection (`audit_site.db.postgresql.prepared`).

What a query is stays said by a QuerySet. To write its SQL takes Django longer than PostgreSQL needs
to answer it, where it asks for one row by its key (`make bench ARGS=rest`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import connection, models
from django.db.models.query import get_related_populators
from django.db.models.sql.compiler import SQLCompiler

from audit_site.db.bulk import AskedMany
from audit_site.db.postgresql import prepared

ModelT = TypeVar("ModelT", bound=models.Model)
RowT = TypeVar("RowT")


class Asked(models.Expression):
    """A value that is known when the statement is asked: the one at this place."""

    def __init__(self, place: int, output_field: models.Field[Any, Any]) -> None:
        super().__init__(output_field=output_field)
        self.place = place

    def __repr__(self) -> str:
        return f"Asked({self.place})"

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> Any:
        return "%s", [self]

    def value(self, values: tuple[Any, ...]) -> Any:
        return self.output_field.get_db_prep_value(values[self.place], connection)


def asked_id(place: int) -> Any:
    return Asked(place, models.UUIDField())


def asked_text(place: int) -> Any:
    return Asked(place, models.TextField())


def asked_day(place: int) -> Any:
    return Asked(place, models.DateField())


def asked_number(place: int) -> Any:
    return Asked(place, models.IntegerField())


@dataclass(frozen=True, slots=True)
class _Written:
    """A statement as Django has written it, and how what it finds is read."""

    sql: str
    params: tuple[Any, ...]
    converters: Any
    compiler: SQLCompiler
    name: str


def _is_asked(param: Any) -> bool:
    return isinstance(param, Asked | AskedMany)


class _Statement:
    """`query` makes the QuerySet, once, when the first asks."""

    def __init__(self, query: Callable[[], models.QuerySet[Any, Any]]) -> None:
        self._query = query
        self._of_vendor: dict[str, _Written] = {}

    def _written(self) -> _Written:
        written = self._of_vendor.get(connection.vendor)
        if written is None:
            query = self._query()
            compiler = query.query.get_compiler(connection=connection)
            sql, params = compiler.as_sql()
            columns = [column[0] for column in compiler.select]
            converters = compiler.get_converters(columns)
            name = prepared.name_of(sql, (param for param in params if not _is_asked(param)))
            written = _Written(sql, tuple(params), converters, compiler, name)
            self._of_vendor[connection.vendor] = written
        return written

    def _found(self, written: _Written, values: tuple[Any, ...]) -> Iterable[Any]:
        params = [
            prepared.Given(param.value(values)) if _is_asked(param) else param
            for param in written.params
        ]
        with connection.cursor() as cursor:
            prepared.execute(connection, cursor, written.name, written.sql, params)
            rows: Iterable[Any] = cursor.fetchall()
        converters: Any = written.converters
        return written.compiler.apply_converters(rows, converters) if converters else rows


class RowStatement(_Statement, Generic[RowT]):
    """A statement whose rows are read as `row`, a NamedTuple, in the order of its columns."""

    def __init__(
        self, row: Callable[..., RowT], query: Callable[[], models.QuerySet[Any, Any]]
    ) -> None:
        super().__init__(query)
        self._row = row

    def rows(self, *values: Any) -> list[RowT]:
        return [self._row(*row) for row in self._found(self._written(), values)]

    def first(self, *values: Any) -> RowT | None:
        return next(iter(self.rows(*values)), None)


class ModelStatement(_Statement, Generic[ModelT]):
    """A statement whose rows are instances, with what is selected with them."""

    def instances(self, *values: Any) -> list[ModelT]:
        written = self._written()
        return list(self._made(written, self._found(written, values)))

    def first(self, *values: Any) -> ModelT | None:
        return next(iter(self.instances(*values)), None)

    @staticmethod
    def _made(written: _Written, rows: Iterable[Any]) -> Iterator[Any]:
        """As Django's `ModelIterable` makes them."""
        select, info = written.compiler.select, written.compiler.klass_info
        begin, end = info["select_fields"][0], info["select_fields"][-1] + 1
        names = [column[0].target.attname for column in select[begin:end]]
        related: Any = get_related_populators
        populators = related(info, select, connection.alias)
        annotations = written.compiler.annotation_col_map.items()
        for row in rows:
            made = info["model"].from_db(connection.alias, names, row[begin:end])
            for populator in populators:
                populator.populate(row, made)
            for name, place in annotations:
                setattr(made, name, row[place])
            yield made
