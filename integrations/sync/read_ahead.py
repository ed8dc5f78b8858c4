"""Read the next page while the last one is being written."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

from django.db import connections

from audit_site.db import walls

ItemT = TypeVar("ItemT")
_END = object()
_POLL_SECONDS = 0.2


def read_ahead(
    items: Iterable[ItemT],
    *,
    depth: int = 1,
    wait_seconds: float = 1.0,
) -> Iterator[ItemT | None]:
    """Yield the items, drawing at most `depth` ahead in a thread of their own; and None every
    `wait_seconds` that an item lets wait for itself.

    An error of the source arrives where it would have arrived without the thread. A consumer that
    stops early stops the source at its next item.
    """
    ahead: queue.Queue[object] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def put(item: object) -> bool:
        while not stopped.is_set():
            try:
                ahead.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def draw() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(_END)
        except BaseException as error:  # noqa: BLE001  handed to the consumer as it is
            put(_Failure(error))
        finally:
            connections.close_all()

    thread = threading.Thread(target=walls.carried(draw), name="read-ahead", daemon=True)
    thread.start()
    try:
        while (item := _take(ahead, wait_seconds)) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join()


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _take(ahead: queue.Queue[object], wait_seconds: float) -> object:
    """The next item, or None when it is not there yet."""
    try:
        return ahead.get(timeout=wait_seconds)
    except queue.Empty:
        return None
