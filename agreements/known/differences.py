"""What became known of a company between two moments: row by row, with who changed it and when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Q

from agreements.known import values
from agreements.known.editions import rules_of
from agreements.known.keeping import with_base
from agreements.known.reading import KnownBook
from agreements.known.rows import CALLED, RowState, inputs_of, row_states, settled_of
from agreements.models import BookPiece, BookVersion
from audit_site.db.bulk import AnyOf
from audit_site.db.json_rows import IdText
from audit_site.tenants.models import Tenant

NOTHING: Final = Fraction(0)
#: What rows of an agreement rest on, by row id.
Rows = dict[str, dict[str, str | None]]


class Bringer(NamedTuple):
    """What brought a change: when it became known, by which run, and what that is called."""

    at: datetime | None = None
    run: UUID | None = None
    kind: str = ""
    name: str = ""


NOBODY: Final = Bringer()


@dataclass(frozen=True, slots=True)
class Change:
    """A field of a row that differs between two moments. `mrr_before` and `mrr_after` are what the
    row brings a month, each in its currency; where several fields differ, each of them says so.
    """

    company_id: str
    row_id: str
    label: str
    field: str
    before: str | None
    after: str | None
    mrr_before: Fraction
    mrr_after: Fraction
    currency_before: str
    currency_after: str
    agreement: str = ""
    by: Bringer = NOBODY

    @property
    def called(self) -> str:
        """The field in words."""
        return CALLED.get(self.field, self.field)


class Window(NamedTuple):
    """After `start`, up to and with `end`."""

    start: datetime
    end: datetime


def changes_between(
    tenant: Tenant,
    before: Mapping[str, KnownBook],
    after: Mapping[str, KnownBook],
    on: date,
    window: Window,
    archived: Mapping[str, datetime] = {},
) -> list[Change]:
    """What makes the figures of a day differ between the books of two moments. `archived`: what
    has no book of one moment since it was archived then, and when that was changed.

    Three statements at the most, whatever the number of companies.
    """
    found: list[Change] = []
    for company_id in sorted({*before, *after}):
        found += _changes_of(company_id, before.get(company_id), after.get(company_id), on)
    by_status = [_by_status(c, archived[c.company_id]) for c in found if c.company_id in archived]
    others = [change for change in found if change.company_id not in archived]
    changes = [*by_status, *_with_bringers(tenant, others, window)]
    return sorted(changes, key=lambda change: (change.company_id, change.row_id))


def _by_status(change: Change, at: datetime) -> Change:
    """A row that counts, or does not, since its company was archived or brought back."""
    before, after = ("archived", "active") if change.before is None else ("active", "archived")
    return replace(
        change, field="company", before=before, after=after, by=Bringer(at, kind="status")
    )


def _changes_of(
    company_id: str, before: KnownBook | None, after: KnownBook | None, on: date
) -> Iterator[Change]:
    former = row_states(before.prepared, on) if before else {}
    current = row_states(after.prepared, on) if after else {}
    for key in sorted({*former, *current}):
        a, b = former.get(key), current.get(key)
        money_a, money_b = _money(a), _money(b)
        state = b or a
        if money_a == money_b or state is None:
            continue
        for field, old, new in _fields(a, b, before, after, on):
            yield Change(
                company_id=company_id,
                row_id=key[1],
                label=state.label,
                field=field,
                before=old,
                after=new,
                mrr_before=money_a[1],
                mrr_after=money_b[1],
                currency_before=money_a[0] or money_b[0],
                currency_after=money_b[0] or money_a[0],
                agreement=state.agreement_id,
            )


def _money(state: RowState | None) -> tuple[str, Fraction]:
    """What a row brings; one that brings nothing is as one that is not there."""
    if state is None or not state.exact:
        return "", NOTHING
    return state.currency, state.exact


def _fields(
    a: RowState | None,
    b: RowState | None,
    before: KnownBook | None,
    after: KnownBook | None,
    on: date,
) -> Iterator[tuple[str, str | None, str | None]]:
    """The fields in which a row differs, each with its values."""
    if a is None or b is None:
        yield "row", a.label if a else None, b.label if b else None
        return
    found = list(
        _differing(inputs_of(a.item.agreement, a.row.line), inputs_of(b.item.agreement, b.row.line))
    )
    if found:
        yield from found
    elif before and after and before.rules is not after.rules:
        yield "rules", str(before.rules.edition), str(after.rules.edition)
    else:
        yield from list(_differing(settled_of(a, on), settled_of(b, on))) or [("row", None, None)]


def _differing(
    before: Mapping[str, str | None], after: Mapping[str, str | None]
) -> Iterator[tuple[str, str | None, str | None]]:
    for name, value in after.items():
        if before.get(name) != value:
            yield name, before.get(name), value


# Who changed it, and when it became known


def _with_bringers(tenant: Tenant, changes: list[Change], window: Window) -> list[Change]:
    if not changes:
        return []
    company_ids = {change.company_id for change in changes}
    histories = _histories(tenant, company_ids, window)
    moments = [histories[change.company_id].moment_of(change) for change in changes]
    bringers = _bringers(tenant, company_ids, {moment for moment in moments if moment})
    return [
        replace(change, by=bringers.get((change.company_id, moment), Bringer(moment)))
        for change, moment in zip(changes, moments, strict=True)
    ]


def _bringers(
    tenant: Tenant, company_ids: Iterable[str], moments: Iterable[datetime]
) -> dict[tuple[str, datetime | None], Bringer]:
    rows = BookVersion.objects.for_tenant(tenant).filter(
        AnyOf("company_id", company_ids), AnyOf("known_from", moments)
    )
    columns = (IdText("company_id"), "known_from", "run", "kind", "name")
    return {
        (company_id, at): Bringer(at, run, kind, name)
        for company_id, at, run, kind, name in rows.values_list(*columns)
    }


class _History:
    """The texts of a company's book within a window, in the order in which they became known."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.texts: dict[values.Key, list[tuple[datetime, datetime | None, bytes]]] = defaultdict(
            list
        )
        self._inputs: dict[str, list[tuple[datetime, Rows]]] = {}

    def moment_of(self, change: Change) -> datetime | None:
        """When that became known which a change ends with."""
        if moment := self._last_change(change):
            return moment
        frames = [start for start, _, _ in self.texts[values.FRAME] if start > self.window.start]
        every = [start for texts in self.texts.values() for start, _, _ in texts]
        return max(frames or every, default=None)

    def _last_change(self, change: Change) -> datetime | None:
        """The last moment at which the changed field of the row was given another value."""
        found, value = None, _MISSING
        for moment, rows in self._inputs_of(change.agreement):
            now, inputs = _MISSING, rows.get(change.row_id)
            if inputs is not None:
                now = _THERE if change.field == "row" else inputs.get(change.field)
            if now != value and moment > self.window.start:
                found = moment
            value = now
        return found

    def _inputs_of(self, agreement: str) -> list[tuple[datetime, Rows]]:
        if agreement not in self._inputs:
            self._inputs[agreement] = list(self._read(agreement))
        return self._inputs[agreement]

    def _read(self, agreement: str) -> Iterator[tuple[datetime, Rows]]:
        parts = {key: texts for key, texts in self.texts.items() if key[0] == agreement}
        edges = {
            edge for texts in parts.values() for start, end, _ in texts for edge in (start, end)
        }
        for moment in sorted(edge for edge in edges if edge and edge <= self.window.end):
            yield moment, self._rows_at(parts, moment)

    def _rows_at(self, parts: Mapping[values.Key, Sequence[Any]], moment: datetime) -> Rows:
        texts = [_text_at(parts[key], moment) for key in sorted(parts)]
        frame = _text_at(self.texts[values.FRAME], moment)
        if not texts or texts[0] is None or frame is None:
            return {}
        rules = rules_of(values.read_frame(frame).edition)
        whole, _, lines = rules.first.decode(texts[0])
        for text in texts[1:]:
            lines += rules.more.decode(text) if text is not None else []
        prefix = f"{whole.source}:{whole.id}"
        rows = {f"{prefix}:flat": inputs_of(whole, None)}
        for item in lines:
            item.line.gone_from = item.gone_from
            rows[f"{prefix}:line:{item.line.id}"] = inputs_of(whole, item.line)
        return rows


_MISSING: Final[Any] = object()
_THERE: Final[Any] = object()


def _text_at(
    texts: Iterable[tuple[datetime, datetime | None, bytes]], moment: datetime
) -> bytes | None:
    return next(
        (text for start, end, text in texts if start <= moment and (end is None or moment < end)),
        None,
    )


def _histories(tenant: Tenant, company_ids: Iterable[str], window: Window) -> dict[str, _History]:
    """The texts that were known within a window, of these companies. One statement."""
    found = {company_id: _History(window) for company_id in company_ids}
    rows = BookPiece.objects.for_tenant(tenant).filter(
        Q(known_to=None) | Q(known_to__gt=window.start),
        AnyOf("company_id", found),
        known_from__lte=window.end,
    )
    columns = (
        IdText("company_id"),
        "agreement",
        "part",
        "known_from",
        "known_to",
        "value",
        "base_value",
    )
    for company_id, agreement, part, start, end, value, base in with_base(rows).values_list(
        *columns
    ):
        key = values.as_key(agreement, part)
        found[company_id].texts[key].append((start, end, values.unpack(value, base)))
    return found
