"""`make test ARGS=quick`: of a test that each PSA has one, and nothing that costs much."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from integrations.psa import registry
from tests.quick import DEAR_TESTS
from tests.tables import TABLES

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.once
def test_each_test_of_all_psas_runs_for_one() -> None:
    suite = [*map(str, TABLES["contract"].suite)]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "tests.quick", *suite]

    env = {name: value for name, value in os.environ.items() if name != "AUDIT_TEST_DATABASE_ONLY"}
    env["DATABASE_URL"] = ""  # as quick runs: on SQLite, and all of it

    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)

    psas: dict[str, set[str]] = defaultdict(set)
    for test, variant in re.findall(r"::(\w+)\[(.+)\]$", done.stdout, re.MULTILINE):
        psas[test] |= set(variant.split("-")) & set(registry.adapters())
    assert {len(found) for found in psas.values()} == {1}
    assert set.union(*psas.values()) == set(registry.adapters())


def test_the_list_of_dear_tests_names_tests_that_there_are() -> None:
    for name in DEAR_TESTS.read_text().splitlines():
        path, _, test = name.partition("::")
        assert f"def {test}(" in (ROOT / path).read_text(), f"make costs: there is no {name}"
