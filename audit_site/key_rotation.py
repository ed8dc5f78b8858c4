"""Sealing stored secrets again with the newest key, while everything goes on.

Each kind of stored secret is a `SealedRows`. A row is read, sealed and written under its own lock,
so that what is saved meanwhile is never overwritten; what is sealed with the newest key already is
passed over, so that a rotation that was killed goes on where it stopped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from audit_site import key_ring

#: So many rows are looked at by one statement.
BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A row with its sealed texts; `tenant_id` is None where it belongs to no tenant."""

    pk: Any
    sealed: list[str]
    tenant_id: UUID | None = None


class SealedRows(ABC):
    """One kind of stored secrets: the rows of one table."""

    #: What a person calls them.
    title: str

    @abstractmethod
    def after(self, last: Any, size: int) -> list[SealedRow]:
        """The next rows by id, after one (None = from the first one on)."""

    @abstractmethod
    def reseal(self, row: SealedRow) -> None:
        """Seal one row again under its lock, as it is at that moment.

        SecretUnreadable if it can't be; nothing is written then.
        """

    def batches(self) -> Iterator[list[SealedRow]]:
        """Every row, a batch at a time."""
        last = None
        while rows := self.after(last, BATCH):
            yield rows
            last = rows[-1].pk


@dataclass(slots=True)
class Rotation:
    """What became of one kind: rows sealed again, and rows that could not be opened."""

    resealed: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class KeyUse:
    """How many secrets each key protects, by its id; "" = those that no key protects."""

    counts: Counter[str] = field(default_factory=Counter)

    @property
    def missing(self) -> list[str]:
        """Ids of keys that protect something and are not at hand."""
        return sorted(self.counts.keys() - set(key_ring.key_ids()) - {""})

    @property
    def unused(self) -> list[str]:
        """Ids of older keys at hand that protect nothing any more."""
        return [key_id for key_id in key_ring.key_ids()[1:] if not self.counts[key_id]]

    @property
    def is_done(self) -> bool:
        """Whether the newest key alone protects all."""
        return not self.counts.keys() - {key_ring.key_ids()[0]}


def count_use(kinds: list[SealedRows]) -> KeyUse:
    """Which key protects how much. Opens nothing."""
    counts: Counter[str] = Counter()
    for kind in kinds:
        for rows in kind.batches():
            sealed = (text for row in rows for text in row.sealed)
            counts.update(key_ring.key_id_of(text) or "" for text in sealed)
    return KeyUse(counts)


def rotate(kind: SealedRows, on_batch: Callable[[Rotation], None]) -> Rotation:
    """Seal again what is not sealed with the newest key; `on_batch` is told after each batch."""
    done = Rotation()
    for rows in kind.batches():
        for row in rows:
            if all(map(key_ring.is_sealed_with_newest, row.sealed)):
                continue
            try:
                kind.reseal(row)
            except key_ring.SecretUnreadable:
                done.unreadable += 1
            else:
                done.resealed += 1
        on_batch(done)
    return done
