"""How many threads of one piece of work ask at once, where that number changes meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final

#: The number may have changed although nobody has left.
LOOK_AGAIN_SECONDS: Final = 1.0


class Slots:
    """A semaphore whose number of places is asked for each time."""

    def __init__(self, places: Callable[[], int]) -> None:
        self._places = places
        self._taken = 0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            while self._taken >= max(self._places(), 1):
                self._changed.wait(LOOK_AGAIN_SECONDS)
            self._taken += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._taken -= 1
            self._changed.notify(2)  # the number may have grown by one
