"""When that became known which a change between two moments ends with, from what was kept.

Few agreements are read at a time, each from its newest moment back to where the changed field was
given its value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Max, Q, QuerySet

from agreements.known import values
from agreements.known.editions import Rules, rules_of
from agreements.known.rows import input_of
from agreements.models import BookPiece
from audit_site.db.batches import batched
from audit_site.db.bulk import AnyOf
from audit_site.db.json_rows import IdText
from audit_site.tenants.models import Tenant

if TYPE_CHECKING:
    from agreements.known.differences import Change, Window

#: Agreements whose pieces are held at a time.
AT_ONCE: Final = 25
MISSING: Final[Any] = object()
THERE: Final[Any] = object()
Whose = tuple[str, str]


class Piece(NamedTuple):
    """A part of an agreement as it was known for a time, packed still."""

    start: datetime
    end: datetime | None
    value: bytes
    base: bytes | None

    @property
    def text(self) -> bytes:
        return values.unpack(self.value, self.base)

    def is_known_at(self, moment: datetime) -> bool:
        return self.start <= moment and (self.end is None or moment < self.end)


@dataclass(slots=True)
class Batch:
    """The pieces of a few agreements, and the rules that held for their companies."""

    pieces: dict[Whose, dict[int, list[Piece]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    frames: dict[str, list[Piece]] = field(default_factory=lambda: defaultdict(list))


def last_changes(
    tenant: Tenant, changes: Sequence[Change], window: Window
) -> list[datetime | None]:
    """Of each change, the moment within the window; None = nothing was kept of its company."""
    by_agreement: dict[Whose, list[int]] = defaultdict(list)
    for index, change in enumerate(changes):
        by_agreement[change.company_id, change.agreement].append(index)
    found: list[datetime | None] = [None] * len(changes)
    for some in batched(sorted(by_agreement), AT_ONCE):
        batch = _read(tenant, some, window)
        for whose in some:
            frames = batch.frames[whose[0]]
            history = _History(frames, batch.pieces.pop(whose, {}), window)
            of_agreement = {index: changes[index] for index in by_agreement[whose]}
            framed = [piece.start for piece in frames if piece.start > window.start]
            for index, moment in history.moments_of(of_agreement).items():
                found[index] = moment or max(framed, default=None)
    return _with_newest(tenant, changes, found, window)


def _with_newest(
    tenant: Tenant, changes: Sequence[Change], found: list[datetime | None], window: Window
) -> list[datetime | None]:
    """Where nothing of a change was found: when anything of its company last became known."""
    without = {c.company_id for c, at in zip(changes, found, strict=True) if at is None}
    rows = _within(tenant, without, window).order_by().values(pk_text=IdText("company_id"))
    newest = dict(rows.values_list("pk_text", Max("known_from"))) if without else {}
    return [at or newest.get(c.company_id) for c, at in zip(changes, found, strict=True)]


def _within(tenant: Tenant, company_ids: Iterable[str], window: Window) -> QuerySet[BookPiece]:
    return BookPiece.objects.for_tenant(tenant).filter(
        Q(known_to=None) | Q(known_to__gt=window.start),
        AnyOf("company_id", company_ids),
        known_from__lte=window.end,
    )


def _read(tenant: Tenant, some: Collection[Whose], window: Window) -> Batch:
    """Two statements: a base is read once, however many pieces are a difference from it."""
    companies, agreements = ({whose[place] for whose in some} for place in (0, 1))
    of_these = Q(agreement=None) | Q(AnyOf("agreement", agreements))
    rows = _within(tenant, companies, window).filter(of_these)
    columns = (IdText("company_id"), "agreement", "part", "known_from", "known_to", "value", "base")
    found = list(rows.values_list(*columns))
    bases: dict[UUID, Any] = dict(
        BookPiece.objects.for_tenant(tenant)
        .filter(AnyOf("id", {row[-1] for row in found if row[-1]}))
        .values_list("id", "value")
    )
    batch = Batch()
    for company_id, agreement, part, start, end, value, base in found:
        piece = Piece(start, end, value, bases.get(base))
        if agreement is None:
            batch.frames[company_id].append(piece)
        else:
            batch.pieces[company_id, str(agreement)][part].append(piece)
    return batch


class _History:
    """An agreement within a window, read from its newest moment back."""

    def __init__(
        self, frames: Sequence[Piece], parts: Mapping[int, Sequence[Piece]], window: Window
    ) -> None:
        self.frames, self.parts, self.window = frames, parts, window
        self._rules: dict[datetime, Rules] = {}
        self._decoded: dict[int, tuple[Piece, Rules, Any]] = {}

    def moments_of(self, changes: Mapping[int, Change]) -> dict[int, datetime | None]:
        """The last moment at which the field of each change was given another value."""
        found: dict[int, datetime | None] = dict.fromkeys(changes)
        waiting = dict(changes)
        for (moment, later), (_, former) in pairwise(self._states(waiting)):
            if moment is None or moment <= self.window.start:
                break
            for index in [i for i in waiting if later.get(i) != former.get(i, MISSING)]:
                found[index] = moment
                del waiting[index]
            if not waiting:
                break
        return found

    def _states(
        self, waiting: Mapping[int, Change]
    ) -> Iterator[tuple[datetime | None, dict[int, Any]]]:
        """At each moment, newest first, the value of each field that is waited for still."""
        edges = {
            edge
            for pieces in self.parts.values()
            for piece in pieces
            for edge in (piece.start, piece.end)
            if edge and edge <= self.window.end
        }
        for moment in sorted(edges, reverse=True):
            yield moment, self._state_at(moment, waiting)
        yield None, {}

    def _state_at(self, moment: datetime, waiting: Mapping[int, Change]) -> dict[int, Any]:
        frame = _at(self.frames, moment)
        pieces = {part: _at(self.parts[part], moment) for part in sorted(self.parts)}
        first = pieces.pop(0, None)
        if frame is None or first is None:
            return dict.fromkeys(waiting, MISSING)
        rules = self._rules_of(frame)
        whole, _, lines = self._decode(0, first, rules)
        every = [*lines]
        for part, piece in pieces.items():
            every += self._decode(part, piece, rules) if piece is not None else []
        prefix = f"{whole.source}:{whole.id}"
        rows = {f"{prefix}:line:{item.line.id}": item for item in every}
        return {
            index: _value(change, whole, rows, f"{prefix}:flat")
            for index, change in waiting.items()
        }

    def _rules_of(self, frame: Piece) -> Rules:
        if frame.start not in self._rules:
            self._rules[frame.start] = rules_of(values.read_frame(frame.text).edition)
        return self._rules[frame.start]

    def _decode(self, part: int, piece: Piece, rules: Rules) -> Any:
        """A part, which is the same at many moments where others change."""
        known = self._decoded.get(part)
        if known is None or known[0] is not piece or known[1] is not rules:
            decoder = rules.more if part else rules.first
            self._decoded[part] = known = piece, rules, decoder.decode(piece.text)
        return known[2]


def _value(change: Change, whole: Any, rows: Mapping[str, Any], flat: str) -> Any:
    item = rows.get(change.row_id)
    if item is None and change.row_id != flat:
        return MISSING
    if change.field == "row":
        return THERE
    if item is None:
        return input_of(whole, None, change.field)
    item.line.gone_from = item.gone_from
    return input_of(whole, item.line, change.field)


def _at(pieces: Iterable[Piece], moment: datetime) -> Piece | None:
    return next((piece for piece in pieces if piece.is_known_at(moment)), None)
