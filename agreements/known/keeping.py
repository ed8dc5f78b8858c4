"""Keeps each value of a company's book: what differs from the newest version becomes a new one.

Call it behind the lock of the companies' books, in the transaction in which their figures follow.
However many they are, it takes the same number of statements; where nothing differs, none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from agreements.books import CompanyText
from agreements.causes import NEW_RULES, Cause
from agreements.known import editions, values
from agreements.models import BookPiece, BookVersion
from audit_site.db.bulk import AnyOf, bulk_upsert_values
from audit_site.db.json_rows import IdText
from audit_site.ids import new_id
from audit_site.tenants.models import Tenant

ONE_TICK = timedelta(microseconds=1)
VERSION = (
    "id",
    "tenant_id",
    "company_id",
    "known_from",
    "edition",
    "kind",
    "run",
    "user_id",
    "name",
)
PIECE = ("id", "tenant_id", "company_id", "agreement", "part", "known_from", "base", "value")


class Mark(NamedTuple):
    """Which version of a book is its newest: from when, its digest, its edition."""

    known_from: datetime | None = None
    digest: str = ""
    edition: int = 0


class Candidate(NamedTuple):
    """A company's book as it is now, beside what is kept of it, and why it may differ."""

    company_id: str
    tenant: Tenant
    texts: values.Texts
    digest: str
    kept: Mark
    cause: Cause

    @property
    def is_kept(self) -> bool:
        """Whether the newest version is this. A book in which there never was anything has none."""
        if self.kept.known_from is None:
            return len(self.texts) == 1
        return self.digest == self.kept.digest

    @property
    def is_missing(self) -> bool:
        """Whether it should be kept and is not; one of an older edition waits for the clock."""
        return not self.is_kept and self.kept.edition >= editions.current().edition


class _Stored(NamedTuple):
    """A piece that is known now."""

    id: UUID
    text: bytes
    base: UUID
    base_text: bytes


def candidate(
    company_id: str, tenant: Tenant, book: CompanyText, kept: Mark, cause: Cause
) -> Candidate:
    edition = editions.current().edition
    texts = values.texts_of(
        book, edition=edition, currency=tenant.currency, timezone=tenant.timezone
    )
    if kept.known_from and kept.edition < edition:
        cause = NEW_RULES
    return Candidate(company_id, tenant, texts, values.digest_of(texts), kept, cause)


def keep(candidates: Iterable[Candidate]) -> dict[str, Mark]:
    """Keep the books that differ; their new marks, by company."""
    changed = [one for one in candidates if not one.is_kept]
    if not changed:
        return {}
    edition = editions.current().edition
    now = _moment(changed)
    stored = _stored_pieces([one for one in changed if one.kept.known_from])
    pieces: list[tuple[Any, ...]] = []
    closed: list[UUID] = []
    for one in changed:
        known = stored.get(one.company_id, {})
        closed += [piece.id for key, piece in known.items() if one.texts.get(key) != piece.text]
        pieces += _new_pieces(one, known, now)
    rows = BookPiece.objects.for_tenants({one.tenant.pk: one.tenant for one in changed}.values())
    if closed:
        rows.filter(AnyOf("id", closed)).update(known_to=now)
    bulk_upsert_values(BookPiece, PIECE, pieces)
    versions = [
        (new_id(), one.tenant.pk, one.company_id, now, edition, *_columns(one.cause))
        for one in changed
    ]
    bulk_upsert_values(BookVersion, VERSION, versions)
    return {one.company_id: Mark(now, one.digest, edition) for one in changed}


def _moment(changed: Collection[Candidate]) -> datetime:
    """Now, and later than any version that there is, whatever the clocks of workers say."""
    newest = [one.kept.known_from + ONE_TICK for one in changed if one.kept.known_from]
    return max([timezone.now(), *newest])


def _columns(cause: Cause) -> tuple[Any, ...]:
    return cause.kind, cause.run, cause.user, cause.name


def with_base(rows: QuerySet[BookPiece]) -> QuerySet[BookPiece]:
    """Pieces with the value of their base, null where they are whole themselves."""
    base = BookPiece.objects.filter(tenant=OuterRef("tenant"), pk=OuterRef("base"))
    return rows.annotate(base_value=Subquery(base.values("value")[:1]))


def _stored_pieces(changed: Sequence[Candidate]) -> dict[str, dict[values.Key, _Stored]]:
    """By company, the pieces that are known now."""
    found: dict[str, dict[values.Key, _Stored]] = {one.company_id: {} for one in changed}
    if not found:
        return found
    rows = BookPiece.objects.for_tenants({one.tenant.pk: one.tenant for one in changed}.values())
    known = with_base(rows.filter(AnyOf("company_id", found), known_to=None))
    columns = (IdText("company_id"), "id", "agreement", "part", "base", "value", "base_value")
    for company_id, id_, agreement, part, base, value, base_value in known.values_list(*columns):
        text = values.unpack(value, base_value)
        base_text = text if base_value is None else values.unpack(base_value)
        key = values.as_key(agreement, part)
        found[company_id][key] = _Stored(id_, text, base or id_, base_text)
    return found


def _new_pieces(
    one: Candidate, known: dict[values.Key, _Stored], now: datetime
) -> Iterable[tuple[Any, ...]]:
    for key, text in one.texts.items():
        former = known.get(key)
        if former is not None and former.text == text:
            continue
        base, value = _packed(text, former)
        yield new_id(), one.tenant.pk, one.company_id, *key, now, base, value


def _packed(text: bytes, former: _Stored | None) -> tuple[UUID | None, bytes]:
    """As the difference from what a former one is a difference from, unless that saves little."""
    whole = values.pack(text)
    if former is not None:
        difference = values.pack_difference(text, former.base_text)
        if 2 * len(difference) <= len(whole):
            return former.base, difference
    return None, whole
