"""A pytest plugin (`-p tests.quick`): what `make test ARGS=quick` leaves out.

Marks say which tests are long or need more than SQLite; one that asks for a sandbox PSA syncs, imports or
links as a whole, which the other parts are tested without. A test that runs once for each PSA runs for one
of them: always the same one for the same test, and another one for another, so that each PSA has its share.
"""

from __future__ import annotations

import zlib
from collections import defaultdict

import pytest

from integrations.psa import registry

LONG = ("browser", "once", "postgres", "processes")
#: Fixtures of what is done with a whole PSA.
WHOLE = {"sandbox", "sandboxes", "connected"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    one_psa = of_one_psa(items)
    chosen = [item for item in items if item in one_psa and not is_long(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen


def is_long(item: pytest.Item) -> bool:
    marked = any(item.get_closest_marker(name) for name in LONG)
    return marked or bool(WHOLE & set(getattr(item, "fixturenames", ())))


def of_one_psa(items: list[pytest.Item]) -> set[pytest.Item]:
    """Those that are about no PSA by their variant, and of the others those of one."""
    variants: dict[str, set[str]] = defaultdict(set)
    for item in items:
        variants[named(item)] |= psas_of(item)
    return {
        item
        for item in items
        if not psas_of(item) or one_of(variants[named(item)], named(item)) in psas_of(item)
    }


def named(item: pytest.Item) -> str:
    """The test's name without the variant in brackets."""
    return item.nodeid.partition("[")[0]


def psas_of(item: pytest.Item) -> set[str]:
    """The PSAs that the variant in brackets names: `[kaseya_bms-timeout]` → `{"kaseya_bms"}`."""
    variant = item.nodeid.partition("[")[2].rstrip("]")
    return set(variant.split("-")) & set(registry.adapters())


def one_of(psas: set[str], test: str) -> str:
    """The PSA for which a test runs, chosen by the test's name."""
    return sorted(psas)[zlib.crc32(test.encode()) % len(psas)]
