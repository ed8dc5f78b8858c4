"""`make test` fails when one of its runs did."""

from __future__ import annotations

import pytest

from audit_site.local.test import Outcome, exit_code


@pytest.mark.parametrize(
    ("sqlite", "postgresql", "whole"), [(0, 0, 0), (1, 0, 1), (0, 2, 2), (0, -9, -9)]
)
def test_it_is_that_of_the_first_run_that_failed(sqlite: int, postgresql: int, whole: int) -> None:
    outcomes = [Outcome("SQLite", sqlite, ""), Outcome("PostgreSQL", postgresql, "")]

    assert exit_code(outcomes) == whole
