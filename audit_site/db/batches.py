"""Cutting much into pieces that fit a statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from django.db.models import QuerySet

ItemT = TypeVar("ItemT")


def batched(items: Iterable[ItemT], size: int) -> Iterator[list[ItemT]]:
    """Cut items into lists of at most `size`."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def values_in_order(rows: QuerySet[Any, Any], field: str, size: int) -> Iterator[Any]:
    """The values of a field that differs in all of these rows, in its order and few at a time.

    Each portion is a query of its own: a cursor of the server would need one transaction for all.
    """
    portion = rows.order_by(field)
    while True:
        values = list(portion.values_list(field, flat=True)[:size])
        yield from values
        if len(values) < size:
            return
        portion = portion.filter(**{f"{field}__gt": values[-1]})


def with_last(items: Iterable[ItemT]) -> Iterator[tuple[ItemT, bool]]:
    """Each item, and whether it is the last one."""
    iterator = iter(items)
    for item in iterator:
        for following in iterator:
            yield item, False
            item = following  # noqa: PLW2901  the one that waits
        yield item, True
