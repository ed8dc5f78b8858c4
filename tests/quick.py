"""A pytest plugin (`-p tests.quick`): what `make test ARGS=quick` leaves out.

What is left out is chosen by what it costs. Marks say which tests are long or need more than SQLite; one that
asks for a sandbox PSA syncs, imports or links as a whole; `tests/data/dear_tests.txt` names the others that
take more than a fifth of a second of the processor, as measured (`tests/costs.py`). A test that runs once for
each PSA runs for one of them: always the same one for the same test, and another one for another, so that
each PSA has its share.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from pathlib import Path

import pytest

from integrations.psa import registry

LONG = ("browser", "once", "postgres", "processes")
#: The names of tests that cost much, as `make costs` has measured.
DEAR_TESTS = Path(__file__).parent / "data" / "dear_tests.txt"
#: Fixtures of what is done with a whole PSA.
WHOLE = {"sandbox", "sandbox_for_all", "sandboxes", "connected"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    one_psa = of_one_psa(items)
    dear = set(DEAR_TESTS.read_text().splitlines())
    left = {
        item for item in items if item not in one_psa or is_long(item) or named(item.nodeid) in dear
    }
    config.hook.pytest_deselected(items=[item for item in items if item in left])
    items[:] = [item for item in items if item not in left]


def is_long(item: pytest.Item) -> bool:
    marked = any(item.get_closest_marker(name) for name in LONG)
    return marked or bool(WHOLE & set(getattr(item, "fixturenames", ())))


def of_one_psa(items: list[pytest.Item]) -> set[pytest.Item]:
    """Those that are about no PSA by their variant, and of the others those of one."""
    variants: dict[str, set[str]] = defaultdict(set)
    for item in items:
        variants[named(item.nodeid)] |= psas_of(item)
    return {
        item
        for item in items
        if not psas_of(item)
        or one_of(variants[named(item.nodeid)], named(item.nodeid)) in psas_of(item)
    }


def named(nodeid: str) -> str:
    """The test's name without the variant in brackets."""
    return nodeid.partition("[")[0]


def psas_of(item: pytest.Item) -> set[str]:
    """The PSAs that the variant in brackets names: `[kaseya_bms-timeout]` → `{"kaseya_bms"}`."""
    variant = item.nodeid.partition("[")[2].rstrip("]")
    return set(variant.split("-")) & set(registry.adapters())


def one_of(psas: set[str], test: str) -> str:
    """The PSA for which a test runs, chosen by the test's name."""
    return sorted(psas)[zlib.crc32(test.encode()) % len(psas)]
