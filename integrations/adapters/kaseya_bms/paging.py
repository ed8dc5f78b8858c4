"""Paging by number, the only way there is in BMS, with a list that may move meanwhile.

A row that is deleted on a page already read pulls another one over the page's edge, unseen. Then
the total changes, or a row comes twice: the list is read again. One that never holds still proves
no absence, and neither does one that ends before its total.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

#: A list that moved while it was read is read again, so often at most.
MOST_ROUNDS: Final = 3


class Place(NamedTuple):
    """Where a listing goes on.

    The page, the total that its first page named (-1 = none), how many records were read before,
    whether the list has moved meanwhile, and how many times its reading has started.
    """

    page: int = 1
    total: int = -1
    known: int = 0
    moved: int = 0
    round: int = 1

    @classmethod
    def of(cls, cursor: str | None) -> Place:
        return cls(*map(int, cursor.split(":"))) if cursor else cls()

    def noting(self, ids: list[Any], total: int | None, seen: set[Any]) -> Place:
        """The place, knowing what its page showed: a record that was `seen`, or another total than
        at first, means that the list has moved.
        """
        place = self
        if place.total < 0 and total is not None:
            place = place._replace(total=total)
        is_same_total = total is None or total == place.total
        has_moved = len(set(ids) - seen) < len(ids) or not is_same_total
        return place._replace(moved=1) if has_moved else place

    def text(self) -> str:
        return ":".join(map(str, self))

    def after(self, news: int) -> tuple[Place | None, End]:
        """Where it goes on after a page with so many new records (None = nowhere), and what an end
        proves.

        The last page is an empty one, one that brings nothing new, or one that completes the total.
        """
        known = self.known + news
        if news and not 0 <= self.total <= known:
            return self._replace(page=self.page + 1, known=known), End()
        if self.moved and self.round < MOST_ROUNDS:
            return Place(round=self.round + 1), End()
        short = (known, self.total) if known < self.total else None
        return None, End(bool(self.moved), short)


class End(NamedTuple):
    """What is wrong with the end of a list: it never held still, or is `short` of its total."""

    has_moved: bool = False
    short: tuple[int, int] | None = None
