"""Lines that are billed once at most, since they live within one period: a setup fee, or the seats
that a licence tool bills for the rest of a month beside the line whose count it has raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from agreements.mrr.book import Agreement, Line
from agreements.mrr.cycles import Cycle
from agreements.mrr.dates import NEVER
from agreements.mrr.edition import Edition


class _Life(NamedTuple):
    """The first and the last day of a line."""

    begins: int
    ends: int

    @property
    def days(self) -> int:
        return self.ends - self.begins + 1

    def shared(self, other: _Life) -> int:
        """How many days both have."""
        return max(min(self.ends, other.ends) - max(self.begins, other.begins) + 1, 0)

    def follows(self, other: _Life) -> bool:
        """Whether they share a day, or one begins the day after the other ends."""
        return self.begins <= other.ends + 1 and other.begins <= self.ends + 1


def is_single_cycle(
    line: Line, cycle: Cycle | None, agreement: Agreement, first: int, edition: Edition
) -> bool:
    """Whether a line with this cycle is billed once; `first` is its agreement's first day."""
    cap = _cap(cycle, edition)
    start, end = line.start_date, line.end_date
    if line.one_time is not None or line.has_recurred or line.units is not None or cap is None:
        return False
    if start is None or end is None or end < start:
        return False
    life = _Life(start.toordinal(), end.toordinal())
    if life.days > cap:
        return False
    others = list(_lives_of_its_product(line, agreement, first))
    if not any(other.follows(life) for other in others):
        return True
    return edition.settles_catch_up_lines and _runs_beside(life, others, cap)


def _cap(cycle: Cycle | None, edition: Edition) -> int | None:
    if cycle is None or (cycle.is_longer_than_a_month and not edition.settles_catch_up_lines):
        return None
    return cycle.single_days


def _lives_of_its_product(line: Line, agreement: Agreement, first: int) -> Iterator[_Life]:
    """The lives of the agreement's other lines of the same product."""
    name = line.product.strip().casefold()
    if not name:
        return
    for other in agreement.lines:
        if other is line or other.product.strip().casefold() != name:
            continue
        begins = other.start_date.toordinal() if other.start_date else first
        ends = other.end_date.toordinal() if other.end_date else NEVER
        if other.gone_from is not None:  # the day on which it began stays, whenever it went
            ends = min(ends, max(begins, other.gone_from.toordinal() - 1))
        if begins <= ends:
            yield _Life(begins, ends)


def _runs_beside(life: _Life, others: list[_Life], cap: int) -> bool:
    """Whether a longer line of the product runs along, and it is no piece of a history: then a
    neighbour before or after it lives no longer than a period either.
    """
    is_piece = any(
        other.days <= cap and other.follows(life) and not other.shared(life) for other in others
    )
    return not is_piece and any(_runs_along(other, life, cap) for other in others)


def _runs_along(other: _Life, life: _Life, cap: int) -> bool:
    """Whether a longer line holds its days: the one day on which one of them hands over to the
    other makes a history, and no line beside another.
    """
    return other.days > cap and other.shared(life) >= min(2, life.days)
