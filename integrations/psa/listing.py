"""What tells where a list ends, and which of two versions of a record is the newer one.

A page shorter than asked is not the last one: a server may give fewer than it was asked for.
Whatever shows that there is more is believed: a link, a count, a page that looks full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from integrations.psa.contract import RejectedRecord

RecordT = TypeVar("RecordT")

#: PSAs cap their pages at multiples of this, whatever they are asked for.
CAP_STEP: Final = 25


def looks_full(rows: int, asked: int) -> bool:
    """Whether a page of so many rows may have been cut by the server."""
    return rows >= asked or (rows > 0 and rows % CAP_STEP == 0)


def is_short(read: int, announced: int | None) -> bool:
    """Whether a list ended before its own count."""
    return announced is not None and read < announced


def ended_early(kind: str, read: int, announced: int, *, is_line: bool = False) -> RejectedRecord:
    """Say that some records of a list did not come: nobody's absence is proved."""
    return RejectedRecord(
        "",
        "invalid_record",
        f"The list of {kind} ended after {read} of {announced}: the rest did not come. "
        "What was stored before was kept.",
        is_line=is_line,
    )


class Newest(Generic[RecordT]):
    """Lets a record of one reading through, and again only in a newer version.

    Rows move while a list is paged, so that one may come twice; the newer one by the PSA's stamp
    wins, whichever came last. Of two without a stamp that is the first one.
    """

    def __init__(
        self,
        id_of: Callable[[RecordT], str],
        stamp_of: Callable[[RecordT], datetime | None],
    ) -> None:
        self._id_of, self._stamp_of = id_of, stamp_of
        self._stamps: dict[str, datetime | None] = {}

    def of(self, records: Iterable[RecordT]) -> list[RecordT]:
        """Those that are new or newer than what came before; each id once."""
        found: dict[str, RecordT] = {}
        for record in records:
            id_, stamp = self._id_of(record), self._stamp_of(record)
            if id_ in self._stamps and not is_newer(stamp, self._stamps[id_]):
                continue
            self._stamps[id_] = stamp
            found.pop(id_, None)
            found[id_] = record
        return list(found.values())

    def forget(self) -> None:
        """The list is read again from its beginning."""
        self._stamps.clear()


def is_newer(stamp: datetime | None, than: datetime | None) -> bool:
    return stamp is not None and (than is None or stamp > than)


def newest_records() -> Newest[Any]:
    """For records of the contract."""
    return Newest(lambda record: record.external_id, lambda record: record.changed_at)
