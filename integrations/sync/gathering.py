"""Store what comes quickly together: a page is a transaction with some statements of its own.

So much a crash costs: what came within these seconds is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Final, Generic, TypeVar

ItemT = TypeVar("ItemT")
#: What has come is stored after this, however little it is.
GATHER_SECONDS: Final = 15.0


class Gathering(Generic[ItemT]):
    """Joins neighbours while they come quickly.

    `join` returns two in one, or None where they must stay apart.
    """

    def __init__(self, join: Callable[[ItemT, ItemT], ItemT | None]) -> None:
        self._join = join
        self._held: ItemT | None = None
        self._since = 0.0

    def of(self, items: Iterable[ItemT | None]) -> Iterator[ItemT | None]:
        """The items. None (the next one lets wait for itself) is passed on when none is held.

        What came before an error of the source is given before it.
        """
        try:
            for item in items:
                yield from self._take(item)
        except Exception:
            yield from self._rest()
            raise
        yield from self._rest()

    def _take(self, item: ItemT | None) -> Iterator[ItemT | None]:
        if item is None and self._held is None:
            yield None
        elif item is not None:
            yield from self._add(item)
        if self._held is not None and monotonic() - self._since >= GATHER_SECONDS:
            yield from self._rest()

    def _add(self, item: ItemT) -> Iterator[ItemT]:
        joined = None if self._held is None else self._join(self._held, item)
        if joined is None:
            yield from self._rest()
            self._since = monotonic()
        self._held = joined or item

    def _rest(self) -> Iterator[ItemT]:
        if self._held is not None:
            held, self._held = self._held, None
            yield held
