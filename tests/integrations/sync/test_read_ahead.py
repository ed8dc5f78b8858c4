from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from integrations.sync.read_ahead import read_ahead


def test_items_come_in_order() -> None:
    assert list(read_ahead(range(100), depth=3)) == list(range(100))


def test_an_error_of_the_source_arrives_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise LookupError("page 2")

    items = read_ahead(source())

    assert next(items) == 1
    with pytest.raises(LookupError, match="page 2"):
        next(items)


def test_the_next_item_is_drawn_while_the_last_one_is_worked_on() -> None:
    drawn_ahead = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        drawn_ahead.set()
        yield 2

    items = read_ahead(source())
    next(items)

    assert drawn_ahead.wait(5)
    items.close()


def test_a_consumer_that_stops_early_ends_the_thread() -> None:
    items = read_ahead(iter(range(1_000_000)))
    next(items)

    items.close()

    assert not [thread for thread in threading.enumerate() if thread.name == "read_ahead"]


def test_the_consumer_hears_of_it_while_it_waits() -> None:
    done = threading.Event()

    def slow() -> Iterator[int]:
        yield 1
        done.wait(5)
        yield 2

    items = read_ahead(slow(), wait_seconds=0.01)
    found = [next(items), next(items)]
    done.set()
    found += [item for item in items if item is not None]

    assert found == [1, None, 2]
