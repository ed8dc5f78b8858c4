"""A worker that is being stopped (SIGTERM) gives its work back, so that nobody waits for it.

Work stops where it would begin something: a page, a request, a wait. What is stored stays, and the
next sweep sends the rest to another worker.
"""

from __future__ import annotations

import threading

#: Set once this process is being stopped.
requested = threading.Event()


class WorkerEnding(Exception):
    """This worker is being stopped."""


def check() -> None:
    """Raise WorkerEnding once this process is being stopped."""
    if requested.is_set():
        raise WorkerEnding


def sleep(seconds: float) -> None:
    """Sleep; raise WorkerEnding at once when this process is being stopped."""
    if requested.wait(seconds):
        raise WorkerEnding
