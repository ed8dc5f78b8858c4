"""Django's PostgreSQL backend, which tells the database with each transaction who asks.

The settings that policies read are local to a transaction, so that none outlives it, whoever has
the connection next (a pooler in transaction mode may give it to anybody). They travel in one
message with the statement that needs them: no round trip more.
"""

from __future__ import annotations

import re
import select
from collections.abc import Iterable
from typing import Any, Final

import psycopg2.extensions
from django.db.backends.postgresql import base

from audit_site.db.walls import asker

#: Statements about the transaction itself; in one that has failed, nothing may stand before them.
CONTROLS: Final = re.compile(r"\s*(SAVEPOINT|RELEASE|ROLLBACK)\b", re.IGNORECASE)
SAVEPOINT_UNDONE: Final = "ROLLBACK"
#: Statements that PostgreSQL takes alone; what a table holds is not theirs to see.
ALONE: Final = re.compile(
    r"\s*(VACUUM\b|(CREATE|DROP|ALTER)\s+DATABASE\b"
    r"|(CREATE(\s+UNIQUE)?|DROP|REINDEX)\s+INDEX\s+CONCURRENTLY\b)",
    re.IGNORECASE,
)


class WalledConnection(psycopg2.extensions.connection):  # type: ignore[misc]  # no types
    """A connection that knows what its transaction has been told."""

    #: Whether it says anything at all: one that makes or drops databases does not.
    is_walled = True
    #: The role that statements run in; "" = the one that has signed in.
    role = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.told: dict[str, str] | None = {}
        self.prepared: dict[str, bool] = {}

    def commit(self) -> None:
        super().commit()
        self.told = {}

    def rollback(self) -> None:
        super().rollback()
        self.told = {}

    def wanted(self) -> dict[str, str]:
        """What the next statement needs to be true."""
        who = asker()
        wanted = who.settings()
        if self.role:
            wanted["role"] = "none" if who.everything else self.role
        return wanted

    def untold(self, wanted: dict[str, str]) -> str:
        """The statements that make it true: "" when it is so already."""
        told = {} if self.autocommit else self.told
        return "".join(
            f"SET LOCAL {name} = '{value}';"
            for name, value in wanted.items()
            if told is None or told.get(name, "") != value
        )


class WalledCursor(psycopg2.extensions.cursor):  # type: ignore[misc]  # no types
    """A cursor whose statements run as the one who asks."""

    def execute(self, query: Any, values: Any = None) -> None:
        connection: WalledConnection = self.connection
        text = query if isinstance(query, str) else _text(query, self)
        if not connection.is_walled or ALONE.match(text):
            super().execute(text, values)
        elif control := CONTROLS.match(text):
            super().execute(text, values)
            if control[1].upper() == SAVEPOINT_UNDONE:
                connection.told = None  # what was told since the savepoint is forgotten
        else:
            self._execute_told(connection, text, values)

    def _execute_told(self, connection: WalledConnection, text: str, values: Any) -> None:
        wanted = connection.wanted()
        before = connection.untold(wanted)
        if not before:
            super().execute(text, values)
            return
        try:
            super().execute(before + text, values)
        except BaseException:
            connection.told = None
            raise
        connection.told = {} if connection.autocommit else wanted

    def executemany(self, query: Any, values: Iterable[Any]) -> None:
        for each in values:
            self.execute(query, each)


def _text(query: Any, cursor: WalledCursor) -> str:
    if isinstance(query, bytes):
        return query.decode()
    text: str = query.as_string(cursor)
    return text


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own, with connections that say who asks."""

    def get_connection_params(self) -> dict[str, Any]:
        return {
            **super().get_connection_params(),
            "connection_factory": WalledConnection,
            "cursor_factory": WalledCursor,
        }

    def get_new_connection(self, conn_params: dict[str, Any]) -> WalledConnection:
        connection: WalledConnection = super().get_new_connection(conn_params)
        connection.is_walled = self.alias in self._aliases()
        connection.role = self.settings_dict["OPTIONS"].get("assume_role", "")
        return connection

    def is_usable(self) -> bool:
        """Whether the server still has the connection open, asked of the socket: one that it closed
        can be read although nothing was asked. A statement would be one more with each request, and
        would fail where a transaction has failed.
        """
        connection = self.connection
        if connection is None or connection.closed:
            return False
        if connection.get_transaction_status() == psycopg2.extensions.TRANSACTION_STATUS_INERROR:
            return False
        socket = select.poll()
        socket.register(connection.fileno(), select.POLLIN)
        return not socket.poll(0)

    @staticmethod
    def _aliases() -> Iterable[str]:
        from django.db import connections  # noqa: PLC0415  made of backends such as this one

        return connections.settings

    def _configure_role(self, connection: Any) -> bool:
        """Nothing: each transaction assumes the role again, or a pooler would lose it."""
        return False
