"""A page that is larger than we read is asked for in smaller parts, down to single records.

Pasted pictures make records heavy. One that is too large alone stands among the rows as a stub with
its id, so that paging counts it; `decoding` sets it aside by that id.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from integrations.psa.errors import PsaAnswerTooLarge

RowT = TypeVar("RowT")

#: The member that makes a stub: no PSA has one of this name.
STUB: Final = "too large to read"
STUB_BEGINNING: Final = f'{{"{STUB}":'.encode()
TOO_LARGE: Final = "This record is too large to be read; pictures that were pasted into it do that."
#: A list whose first record begins with its id.
FIRST_ID: Final = re.compile(rb'[^\[]*\[\s*\{\s*"id"\s*:\s*"?(\d+)', re.IGNORECASE)


def stub(external_id: str) -> dict[str, Any]:
    """What stands for a record that is too large; "" = it is not known which one it is."""
    return {STUB: True, "id": int(external_id)} if external_id else {STUB: True}


def raw_stub(external_id: str) -> msgspec.Raw:
    """The same for an adapter whose rows are not decoded yet."""
    return msgspec.Raw(msgspec.json.encode(stub(external_id)))


def is_stub(row: Any) -> bool:
    if isinstance(row, msgspec.Raw):
        return bytes(memoryview(row)[: len(STUB_BEGINNING)]) == STUB_BEGINNING
    return isinstance(row, dict) and STUB in row


def first_id(error: PsaAnswerTooLarge) -> str:
    """The id of the first record in the answer; "" where the answer does not begin with it."""
    found = FIRST_ID.match(error.beginning)
    return found[1].decode() if found else ""


def rows_by_number(
    ask: Callable[[int, int], list[RowT]],
    stub_of: Callable[[int, PsaAnswerTooLarge], RowT],
    *,
    start: int,
    stop: int,
) -> list[RowT]:
    """The rows from `start` on, before `stop`, in parts: of a page that is too large.

    `ask(size, number)` gives a page of the list, `stub_of(at, error)` the stub of a single row.
    Parts double again after one that could be read.
    """
    rows: list[RowT] = []
    at, size = start, max((stop - start) // 2, 1)
    while at < stop:
        step = largest_step(at, min(size, stop - at))
        try:
            part = ask(step, at // step + 1)
        except PsaAnswerTooLarge as error:
            if step > 1:
                size = step // 2
                continue
            part = [stub_of(at, error)]
        rows += part
        at, size = at + step, step * 2
        if len(part) < step:
            break
    return rows


def largest_step(at: int, most: int) -> int:
    """The largest size of pages of which one begins at a row."""
    return next(size for size in range(most, 0, -1) if at % size == 0)


def rows_before(read: int, page: int, page_size: int) -> tuple[int, int]:
    """Of a page by its number: how many rows come before it, and how many it has.

    A server may give fewer than it was asked for: then the pages that were `read` show how many.
    """
    before = page - 1
    size = min(-(-read // before), page_size) if before and read else page_size
    return before * size, size
