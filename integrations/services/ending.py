"""A worker that is told to end (SIGTERM) gives its work back, so that nobody has to wait for it.

Work stops where it would begin something: a page, a request, a wait. What is stored stays, and the
next sweep sends the rest to another worker.
"""

from __future__ import annotations

import threading

_told = threading.Event()


class WorkerEnding(Exception):
    """This worker was told to end."""


def tell() -> None:
    """This process is about to end."""
    _told.set()


def is_told() -> bool:
    return _told.is_set()


def check() -> None:
    """Raise WorkerEnding once this process was told to end."""
    if _told.is_set():
        raise WorkerEnding


def sleep(seconds: float) -> None:
    """Sleep; raise WorkerEnding at once when this process is told to end."""
    if _told.wait(seconds):
        raise WorkerEnding


def forget() -> None:
    """Go on after all: for tests, whose process outlives its workers."""
    _told.clear()
