"""A lone line that lives within one period is billed at most once: a setup fee."""

from __future__ import annotations

from agreements.mrr.book import Agreement, Line
from agreements.mrr.cycles import Cycle
from agreements.mrr.dates import NEVER


def is_single_cycle(line: Line, cycle: Cycle | None, agreement: Agreement, first: int) -> bool:
    """Whether a line with this cycle is billed once; `first` is its agreement's first day."""
    cap = cycle.single_days if cycle else None
    start, end = line.start_date, line.end_date
    if line.one_time is not None or line.units is not None or cap is None:
        return False
    if start is None or end is None or end < start or (end - start).days + 1 > cap:
        return False
    return not any(
        _is_neighbour(other, line, start.toordinal(), end.toordinal(), first)
        for other in agreement.lines
        if other is not line
    )


def _is_neighbour(other: Line, line: Line, start: int, end: int, first: int) -> bool:
    """Whether another line of the same product meets this one's days: quantity history."""
    name = line.product.strip().casefold()
    if not name or other.product.strip().casefold() != name:
        return False
    begins = other.start_date.toordinal() if other.start_date else first
    ends = other.end_date.toordinal() if other.end_date else NEVER
    if other.gone_from is not None:  # the day on which it began stays, whenever it went
        ends = min(ends, max(begins, other.gone_from.toordinal() - 1))
    return begins <= ends and begins <= end + 1 and ends >= start - 1
