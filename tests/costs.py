"""A pytest plugin (`-p tests.costs`): which tests cost much, into tests/data/dear_tests.txt.

That is the processor time of a test itself, of this process and of those that it starts, on the average
over its variants. What fixtures make is no part of it: the first test that asks for one would pay for all.
`make costs` writes the list, of tests that `tests/quick.py` does not leave out anyway.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from statistics import fmean

import pytest

from tests.quick import DEAR_TESTS, is_long, named

#: Seconds from which on a test is dear.
DEAR = 0.2
COST = "processor seconds"

costs: dict[str, list[float]] = defaultdict(list)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left = {item for item in items if is_long(item)}
    config.hook.pytest_deselected(items=[item for item in items if item in left])
    items[:] = [item for item in items if item not in left]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    before = sum(os.times()[:4])
    yield
    item.user_properties.append((COST, sum(os.times()[:4]) - before))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name, value in report.user_properties:
        if report.when == "call" and name == COST:
            costs[named(report.nodeid)].append(float(str(value)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The process that started the others hears of all tests."""
    if not hasattr(session.config, "workerinput"):
        dear = sorted(name for name, seconds in costs.items() if fmean(seconds) >= DEAR)
        DEAR_TESTS.write_text("".join(f"{name}\n" for name in dear))
