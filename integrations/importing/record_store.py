"""Set-based storing of what a PSA showed: new, changed and gone rows; unchanged ones are left."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Any, Final, Generic, TypeVar

import msgspec
from django.db import models

from audit_site.db.bulk import AnyOf, bulk_upsert
from companies.services import CONTACT_FIELDS
from integrations.models import PsaContactRecord
from integrations.psa.contract import PsaAgreement, PsaAgreementLine, PsaCompany, PsaContact

RowT = TypeVar("RowT", bound=models.Model)
Values = dict[str, Any]


@dataclass(slots=True)
class Change(Generic[RowT]):
    """One row that was written: what of it was before and is after, as plain JSON values.

    `gone_at`: since when it was gone, if it has returned.
    """

    row: RowT
    kind: str
    before: Values | None
    after: Values | None
    gone_at: datetime | None = None

    @property
    def has_changed(self) -> bool:
        """Whether anything differs, and not the fingerprint alone."""
        return self.kind != "updated" or bool(self.after)


@dataclass(slots=True)
class Changes(Generic[RowT]):
    """What storing a set of rows did, and all the rows as they are now, by key.

    `remarked`: written with a new fingerprint, and as they were.
    """

    rows: dict[tuple[Any, ...], RowT] = field(default_factory=dict)
    written: list[Change[RowT]] = field(default_factory=list)
    remarked: list[Change[RowT]] = field(default_factory=list)
    unchanged: int = 0
    absent: list[RowT] = field(default_factory=list)  # stored, and not among the incoming ones

    def count(self, *kinds: str) -> int:
        return sum(change.kind in kinds for change in self.written)

    def forget_unchanged(self, external_ids: Set[str]) -> None:
        """Don't count those that were counted before and came once more as they were."""
        if external_ids:
            written = {change.row.external_id for change in self.written}  # type: ignore[attr-defined]
            came = {row.external_id for row in self.rows.values()}  # type: ignore[attr-defined]
            self.unchanged -= len((came - written) & external_ids)


#: Fields of the contract whose column has another name. None = not stored as a column: lines are
#: rows of their own, the store knows our company, and what was withheld counts while it is read.
COLUMNS: Final[Mapping[tuple[type, str], str | None]] = {
    (PsaContact, "company_id"): "company_external_id",
    (PsaAgreement, "company_id"): None,
    (PsaAgreement, "parent_id"): "parent_external_id",
    (PsaAgreement, "renews"): "renews_external_ids",
    (PsaAgreement, "withheld"): None,
    (PsaAgreement, "is_claim"): None,
    (PsaAgreement, "claimed_by"): None,
    (PsaAgreement, "lines"): None,
}
PsaRecord = PsaCompany | PsaContact | PsaAgreement | PsaAgreementLine
Prepare = Callable[[Any], Any]


def values_of(record: PsaRecord, model: type[models.Model]) -> Values:
    """A record of a PSA as values by column, each fitting into it.

    Columns are called like the contract's fields, but for `COLUMNS`. Texts are cut to what their
    column holds; structures become plain JSON values (dates and decimals as text).
    """
    contract: Any = type(record)
    return {
        column: prepare(getattr(record, name)) if prepare else getattr(record, name)
        for name, column, prepare in _mapping(contract, model)
    }


@cache
def _mapping(
    contract: type[Any], model: type[models.Model]
) -> tuple[tuple[str, str, Prepare | None], ...]:
    """Fields, their columns, and what makes a value fit; FieldDoesNotExist where none is there."""
    names = [own.name for own in fields(contract)]
    columns = {name: COLUMNS.get((contract, name), name) for name in names}
    return tuple(
        (name, column, _preparation(model._meta.get_field(column)))
        for name, column in columns.items()
        if column is not None
    )


def _preparation(column: Any) -> Prepare | None:
    if isinstance(column, models.JSONField):
        return _as_json
    most = column.max_length if isinstance(column, models.CharField) else None
    return (lambda text: text[:most]) if most else None


def _as_json(value: Any) -> Any:
    """A structure as a JSON column gives it back: equal to what is stored of it."""
    built = msgspec.to_builtins(value)
    return list(built) if isinstance(built, tuple) else built


def fingerprint(values: Values) -> str:
    """Hash what the PSA said about a record; the same text means that nothing has changed."""
    return hashlib.blake2b(msgspec.json.encode(values, order="sorted"), digest_size=16).hexdigest()


def plain(values: Values) -> Values:
    """Turn values into what a JSON column holds: dates and numbers as text, empty ones left out."""
    shown = {name: value for name, value in values.items() if value not in (None, "", [])}
    built: Values = msgspec.to_builtins(shown)
    return built


def store(  # noqa: PLR0913  the one door for whatever a PSA showed
    model: type[RowT],
    *,
    existing: models.QuerySet[RowT],
    incoming: Sequence[Values],
    key: tuple[str, ...],
    now: datetime,
    owner: Values,
    extra: Values | None = None,
    fresh: Mapping[tuple[Any, ...], Values] | None = None,
    needed: Sequence[str] = (),
    complete: bool = False,
) -> Changes[RowT]:
    """Make the stored rows equal to the incoming ones, writing only what differs.

    `incoming` are values by field name, `key` names the fields that identify a row. `owner` fields
    (tenant, integration) are set on new rows, and so are the `fresh` ones of their key; `extra` on
    new and changed ones; none of them counts as a difference. With `complete`, rows in `existing`
    that did not come are gone (softly); otherwise they are listed as `absent`. The last of two
    incoming rows with one key wins. Three statements at the most, whatever the number.

    Nearly all rows are as they were: of those only their key, their fingerprint and the `needed`
    fields are read. What has changed is read whole.
    """
    brief = existing.only("id", *key, "fingerprint", "gone_at", *needed)
    known = {tuple(getattr(row, name) for name in key): row for row in brief}
    wanted = {tuple(values[name] for name in key): values for values in incoming}
    marks = {identity: fingerprint(values) for identity, values in wanted.items()}
    changes: Changes[RowT] = Changes()
    changes.absent = [
        row
        for identity, row in known.items()
        if identity not in wanted and row.gone_at is None  # type: ignore[attr-defined]
    ]
    differing = {
        identity: row
        for identity, row in known.items()
        if identity in wanted and (row.fingerprint != marks[identity] or row.gone_at is not None)  # type: ignore[attr-defined]
    }
    ended = changes.absent if complete else []
    whole = _read_whole(model, owner, [*differing.values(), *ended])
    for identity, values in wanted.items():
        row = known.get(identity)
        if row is None:
            own = (fresh or {}).get(identity, {})
            row = model(**owner, **(extra or {}), **own, **values, fingerprint=marks[identity])
            changes.written.append(Change(row, "created", None, plain(values)))
        elif identity in differing:
            row = whole[row.pk]
            change = _apply(row, values, marks[identity], extra or {})
            (changes.written if change.has_changed else changes.remarked).append(change)
            changes.unchanged += not change.has_changed
        else:
            changes.unchanged += 1
        changes.rows[identity] = row
    changes.written += [_end(whole[row.pk], now) for row in ended]
    bulk_upsert(model, [change.row for change in (*changes.written, *changes.remarked)])
    return changes


def _read_whole(model: type[RowT], owner: Values, rows: Sequence[models.Model]) -> dict[Any, RowT]:
    """The same rows with all of their fields, by primary key."""
    if not rows:
        return {}
    of_tenant = model._default_manager.filter(tenant_id=owner["tenant_id"])
    return {row.pk: row for row in of_tenant.filter(AnyOf("id", [row.pk for row in rows]))}


def _end(row: RowT, now: datetime) -> Change[RowT]:
    row.gone_at = now  # type: ignore[attr-defined]
    return Change(row, "gone", None, None)


def _apply(row: RowT, values: Values, mark: str, extra: Values) -> Change[RowT]:
    gone_at: datetime | None = row.gone_at  # type: ignore[attr-defined]
    differing = {name for name, value in values.items() if getattr(row, name) != value}
    before = {name: getattr(row, name) for name in differing}
    for name, value in {**values, **extra, "fingerprint": mark, "gone_at": None}.items():
        setattr(row, name, value)
    return Change(
        row,
        "updated" if gone_at is None else "returned",
        msgspec.to_builtins(before),
        msgspec.to_builtins({name: values[name] for name in differing}),
        gone_at,
    )


def contact_values(person: PsaContactRecord, company_id: Any) -> Values:
    """The values of a contact of ours, as the PSA has it."""
    names = ("external_id", *CONTACT_FIELDS, "is_active")
    return {"company_id": company_id, **{name: getattr(person, name) for name in names}}
