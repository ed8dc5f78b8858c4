"""The second wall stands on PostgreSQL alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection


@pytest.fixture(autouse=True)
def _needs_postgres(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("postgres") and connection.vendor != "postgresql":
        pytest.skip("SQLite has no row-level security")


def ask(statement: str, *values: Any) -> list[Any]:
    """The rows of a statement as it is, with nothing of the first wall in it."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())
