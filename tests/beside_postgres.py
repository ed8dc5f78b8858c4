"""A pytest plugin (`-p tests.beside_postgres`): what SQLite leaves to PostgreSQL, where there is one.

A test that touches a database and runs for each PSA runs there for all of them, and here for one.
"""

from __future__ import annotations

import pytest

from tests.quick import of_one_psa

#: Fixtures of tests that touch a database, and marks.
FIXTURES = {"db", "transactional_db", "live_server", "installation"}
MARKS = ("django_db", "browser", "once")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    one_psa = of_one_psa(items)
    left = {item for item in items if item not in one_psa and touches_a_database(item)}
    config.hook.pytest_deselected(items=[item for item in items if item in left])
    items[:] = [item for item in items if item not in left]


def touches_a_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return bool(FIXTURES & fixtures) or any(item.get_closest_marker(name) for name in MARKS)
