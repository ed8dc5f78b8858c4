"""Where the next page of an Autotask query begins, and whether there is one.

A cursor is the last id of the page before, how many records were read, and how many there are.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from integrations.adapters.autotask.filters import Condition, has_any_id
from integrations.adapters.autotask.wire import Answer, PageDetails, id_of
from integrations.psa.decoding import instant
from integrations.psa.listing import is_short, looks_full


class RawPage(NamedTuple):
    """A page of rows as they came; see `PsaPage`."""

    rows: list[msgspec.Raw]
    cursor: str | None
    total: int | None
    short: tuple[int, int] | None


class Place(NamedTuple):
    """A page: after which id (None = from the beginning), how many came before it, of how many."""

    last: int | None = None
    read: int = 0
    total: int | None = None

    @classmethod
    def of(cls, cursor: str) -> Place:
        last, read, total = [*cursor.split(":"), "", ""][:3]
        return cls(int(last), int(read or 0), int(total) if total else None)

    @property
    def cursor(self) -> str:
        return f"{self.last}:{self.read}:{'' if self.total is None else self.total}"

    @property
    def condition(self) -> Condition:
        if self.last is None:
            return has_any_id()
        return {"op": "gt", "field": "id", "value": self.last}

    def after(self, answer: Answer, asked: int) -> tuple[Place, bool]:
        """The place after a page, and whether the list ends there: where it doesn't move on, or
        nothing says that there is more.
        """
        rows, details = answer.items or [], answer.page_details or PageDetails()
        ids = {id_ for row in rows if (id_ := id_of(row)) is not None}
        nameless = sum(id_of(row) is None for row in rows)
        fresh = {id_ for id_ in ids if self.last is None or id_ > self.last}
        read = self.read + len(fresh) + nameless
        is_full = looks_full(len(rows), min(details.request_count or asked, asked))
        has_more = is_full or bool(details.next_page_url) or is_short(read, self.total)
        highest = max(fresh, default=self.last)
        return Place(highest, read, self.total), not (fresh and has_more)


def record_id(record: Any) -> str:
    """The id of a record, or of what it is built from."""
    return str(getattr(record, "external_id", None) or record.id)


def record_stamp(record: Any) -> datetime | None:
    """When a record was changed, or what it is built from."""
    if hasattr(record, "changed_at"):
        stamp: datetime | None = record.changed_at
        return stamp
    return instant(getattr(record, "last_modified_date_time", None))
