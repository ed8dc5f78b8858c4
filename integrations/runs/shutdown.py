"""A worker that is told to end (SIGTERM) gives its work back, so that nobody has to wait for it.

Work stops where it would begin something: a page, a request, a wait. What is stored stays, and the
next sweep sends the rest to another worker.
"""

from __future__ import annotations

import threading

#: Set once this process was told to end.
requested = threading.Event()


class WorkerEnding(Exception):
    """This worker was told to end."""


def check() -> None:
    """Raise WorkerEnding once this process was told to end."""
    if requested.is_set():
        raise WorkerEnding


def sleep(seconds: float) -> None:
    """Sleep; raise WorkerEnding at once when this process is told to end."""
    if requested.wait(seconds):
        raise WorkerEnding
