"""Statements that PostgreSQL plans once a connection: to plan one takes longer than to answer it.

psycopg2 sends each statement as text, and the policies of the second wall are planned into each of
them again. What comes again on the same connection is therefore prepared there by name. Behind a
pooler in transaction mode the next transaction may meet a connection that does not know the name:
then the text is sent, and this process prepares nothing any more.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from django.db import utils
from psycopg2 import errors
from psycopg2.extensions import AsIs

log = logging.getLogger(__name__)

#: What a connection says that has the statement no more, or has it for other columns.
FORGOTTEN: Final = (errors.InvalidSqlStatementName, errors.FeatureNotSupported)


@dataclass(slots=True)
class _Process:
    prepares: bool = True


PROCESS: Final = _Process()


class Given:
    """A parameter that a prepared statement takes; the others stand in it as they are."""

    def __init__(self, value: Any) -> None:
        self.value = value


def name_of(sql: str, fixed: Iterable[Any]) -> str:
    """By what PostgreSQL knows a statement with these fixed parameters, whoever prepares it."""
    text = "\n".join((sql, *map(repr, fixed)))
    return f"audit_{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"


def execute(django: Any, cursor: Any, name: str, sql: str, params: list[Any]) -> None:
    """Execute a statement on a cursor of this Django connection: by its name, when it comes again.

    Not within a transaction, which a refusal would end.
    """
    connection = django.connection
    may = django.vendor == "postgresql" and PROCESS.prepares
    if not (may and connection.autocommit and connection.is_walled):
        cursor.execute(sql, _values(params))
    elif name not in connection.prepared:
        connection.prepared[name] = False
        cursor.execute(sql, _values(params))
    else:
        try:
            _execute_prepared(connection, cursor, name, sql, params)
        except utils.DatabaseError as error:
            if not isinstance(error.__cause__, FORGOTTEN):
                raise
            log.info("statements_not_prepared reason=%s", type(error.__cause__).__name__)
            PROCESS.prepares = False
            cursor.execute(sql, _values(params))


def _values(params: list[Any]) -> list[Any]:
    return [param.value if isinstance(param, Given) else param for param in params]


def _execute_prepared(connection: Any, cursor: Any, name: str, sql: str, params: list[Any]) -> None:
    given = [param.value for param in params if isinstance(param, Given)]
    if not connection.prepared[name]:
        _prepare(cursor, name, sql, params)
        connection.prepared[name] = True
    places = f"({', '.join(['%s'] * len(given))})" if given else ""
    cursor.execute(f"EXECUTE {name}{places}", given)


def _prepare(cursor: Any, name: str, sql: str, params: list[Any]) -> None:
    number = count(1)
    places = [AsIs(f"${next(number)}") if isinstance(param, Given) else param for param in params]
    text = cursor.mogrify(sql, places).decode()
    try:
        cursor.execute(f"PREPARE {name} AS {text}", None)
    except utils.DatabaseError as error:
        if not isinstance(error.__cause__, errors.DuplicatePreparedStatement):
            raise  # else: a pooler had lent this connection to us before
