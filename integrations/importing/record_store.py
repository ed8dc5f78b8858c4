"""Set-based storing of what a PSA showed:

new rows, changed rows, gone rows; unchanged ones are left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
from django.db import models

from audit_site.db.bulk import AnyOf, bulk_upsert
from integrations.models import PsaContactRecord

RowT = TypeVar("RowT", bound=models.Model)
Values = dict[str, Any]


@dataclass(slots=True)
class Change(Generic[RowT]):
    """One row that was written: what of it was before and is after, as plain JSON values."""

    row: RowT
    kind: str
    before: Values | None
    after: Values | None


@dataclass(slots=True)
class Changes(Generic[RowT]):
    """What storing a set of rows did, and all the rows as they are now, by key."""

    rows: dict[tuple[Any, ...], RowT] = field(default_factory=dict)
    written: list[Change[RowT]] = field(default_factory=list)
    unchanged: int = 0
    absent: list[RowT] = field(default_factory=list)  # known, and did not come

    def count(self, *kinds: str) -> int:
        return sum(change.kind in kinds for change in self.written)

    def forget_unchanged(self, external_ids: Set[str]) -> None:
        """Don't count those that were counted before and came once more as they were."""
        if external_ids:
            written = {change.row.external_id for change in self.written}  # type: ignore[attr-defined]
            came = {row.external_id for row in self.rows.values()}  # type: ignore[attr-defined]
            self.unchanged -= len((came - written) & external_ids)


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
    that did not come are gone (softly); otherwise they are told as `absent`. The last of two
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
    touched = [*differing.values(), *(changes.absent if complete else ())]
    whole: dict[Any, RowT] = {}
    if touched:
        of_tenant = model._default_manager.filter(tenant_id=owner["tenant_id"])
        whole = {row.pk: row for row in of_tenant.filter(AnyOf("id", [row.pk for row in touched]))}
    for identity, values in wanted.items():
        row = known.get(identity)
        if row is None:
            own = (fresh or {}).get(identity, {})
            row = model(**owner, **(extra or {}), **own, **values, fingerprint=marks[identity])
            changes.written.append(Change(row, "created", None, plain(values)))
        elif identity in differing:
            row = whole[row.pk]
            changes.written.append(_apply(row, values, marks[identity], extra or {}))
        else:
            changes.unchanged += 1
        changes.rows[identity] = row
    for gone in changes.absent if complete else ():
        row = whole[gone.pk]
        row.gone_at = now  # type: ignore[attr-defined]
        changes.written.append(Change(row, "gone", None, None))
    bulk_upsert(model, [change.row for change in changes.written])
    return changes


def _apply(row: RowT, values: Values, mark: str, extra: Values) -> Change[RowT]:
    returned = row.gone_at is not None  # type: ignore[attr-defined]
    differing = {name for name, value in values.items() if getattr(row, name) != value}
    before = {name: getattr(row, name) for name in differing}
    for name, value in {**values, **extra, "fingerprint": mark, "gone_at": None}.items():
        setattr(row, name, value)
    return Change(
        row,
        "returned" if returned else "updated",
        msgspec.to_builtins(before),
        msgspec.to_builtins({name: values[name] for name in differing}),
    )


def contact_values(person: PsaContactRecord, company_id: Any) -> dict[str, Any]:
    """A contact of ours as the PSA has it."""
    return {
        "company_id": company_id,
        "external_id": person.external_id,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "phone": person.phone,
        "is_active": person.is_active,
    }
