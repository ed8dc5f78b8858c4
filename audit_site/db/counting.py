"""Counting up to a limit, and in a subquery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import (
    Count,
    IntegerField,
    QuerySet,
    Subquery,
    Value,
)


@dataclass(frozen=True, slots=True)
class CappedCount:
    """How many there are, counted up to a limit: beyond it only "10,000+" is known."""

    number: int
    limit: int

    def __str__(self) -> str:
        return f"{self.limit:,}+" if self.is_more else f"{self.number:,}"

    @property
    def is_more(self) -> bool:
        return self.number > self.limit


#: Up to where the import list is counted, and what is new in it.
LIST_LIMIT, NEW_LIMIT = 10_000, 1_000


def one_each(rows: QuerySet[Any], limit: int) -> QuerySet[Any]:
    """A 1 for each row and no column of it: an index alone answers that. One beyond the limit."""
    counted: QuerySet[Any] = rows.order_by().annotate(one=Value(1)).values("one")[: limit + 1]
    return counted


def capped_count(rows: QuerySet[Any], limit: int = LIST_LIMIT) -> CappedCount:
    """Count rows, reading none beyond the limit."""
    return CappedCount(one_each(rows, limit).aggregate(number=Count("one"))["number"], limit)


class CountOf(Subquery):
    """The number of rows of a subquery."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()
