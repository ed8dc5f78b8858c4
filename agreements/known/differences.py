"""What became known of a company between two moments: row by row, with who changed it and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Final, NamedTuple
from uuid import UUID

from agreements.known.last_changes import last_changes
from agreements.known.reading import KnownBook
from agreements.known.rows import CALLED, MONEY_FIELDS, RowState, inputs_of, row_states, settled_of
from agreements.models import BookVersion
from audit_site.db.bulk import AnyOf
from audit_site.db.json_rows import IdText
from audit_site.tenants.models import Tenant

NOTHING: Final = Fraction(0)


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

    @property
    def currencies_said(self) -> tuple[str, str]:
        """The currency of either value, where the field is an amount."""
        is_money = self.field in MONEY_FIELDS
        return (self.currency_before, self.currency_after) if is_money else ("", "")


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

    Who changed it is read a few agreements at a time: of those that have a change, no other.
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
    moments = last_changes(tenant, changes, window)
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
