"""What is kept of books, read and rewritten as text: for exports, and to take something out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from agreements.known import values
from agreements.known.editions import Rules, current, rules_of
from agreements.known.free_text import check, free_texts, with_changes
from agreements.known.keeping import with_base
from agreements.models import BookPiece
from audit_site.db.bulk import AnyOf
from audit_site.db.slices import SLICE
from audit_site.tenants.models import Tenant

#: Gives the texts in a text of a book.
Texts = Callable[[values.Key, bytes], Iterator[str]]


def opened(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of pieces with their `value` as JSON text. One statement for all of them."""
    found = list(rows)
    bases: Mapping[UUID, Any] = dict(
        BookPiece.objects.filter(
            AnyOf("id", {row["base"] for row in found if row["base"]}),
            tenant__in={row["tenant_id"] for row in found},
        ).values_list("id", "value")
    )
    return [
        {**row, "value": values.unpack(row["value"], bases.get(row["base"])).decode()}
        for row in found
    ]


def pieces_with(
    tenant: Tenant, is_told: Callable[[str], bool], texts: Texts = free_texts
) -> Iterator[tuple[UUID, UUID]]:
    """Id and company of the pieces in whose free text something is told; few at a time.

    `texts`: which texts of a piece are looked at.
    """
    rows = with_base(BookPiece.objects.for_tenant(tenant)).order_by("pk")
    columns = ("pk", "company_id", "agreement", "part", "value", "base_value")
    found = list(rows.values_list(*columns)[:SLICE])
    while found:
        for id_, company_id, agreement, part, value, base in found:
            text, key = values.unpack(value, base), values.as_key(agreement, part)
            if any(map(is_told, texts(key, text))):
                yield id_, company_id
        found = list(rows.filter(pk__gt=found[-1][0]).values_list(*columns)[:SLICE])


def rewrite(tenant: Tenant, is_told: Callable[[str], bool], without: Callable[[str], str]) -> int:
    """Take something out of the free text of each piece in which it is told; how many they were.

    Whatever is a difference from such a piece is packed whole.
    """
    told = list(pieces_with(tenant, is_told))
    changed = {id_ for id_, _ in told}
    for company_id in sorted({company_id for _, company_id in told}):
        _rewrite_company(tenant, company_id, changed, without)
    return len(changed)


@transaction.atomic
def _rewrite_company(
    tenant: Tenant, company_id: UUID, changed: set[UUID], without: Callable[[str], str]
) -> None:
    rows = BookPiece.objects.for_tenant(tenant).filter(company=company_id)
    frames = _frames(rows)
    rewritten = []
    for piece in with_base(rows):
        base_value: Any = piece.base_value  # type: ignore[attr-defined]
        if piece.pk not in changed and piece.base not in changed:
            continue
        text = values.unpack(piece.value, base_value)
        key = values.as_key(piece.agreement, piece.part)
        if piece.pk in changed:
            text = with_changes(key, text, without)
            check(key, text, _rules_at(frames, piece.known_from))
        piece.value, piece.base = values.pack(text), None
        rewritten.append(piece)
    BookPiece.objects.bulk_update(rewritten, ["value", "base"], batch_size=SLICE)


def _frames(rows: QuerySet[BookPiece]) -> list[tuple[datetime, int]]:
    """From when on a company's book was kept by the rules of which edition, in order."""
    frames: QuerySet[Any] = with_base(rows.filter(agreement=None)).order_by("known_from")
    columns = ("known_from", "value", "base_value")
    return [
        (known_from, values.read_frame(values.unpack(value, base)).edition)
        for known_from, value, base in frames.values_list(*columns)
    ]


def _rules_at(frames: Iterable[tuple[datetime, int]], moment: datetime) -> Rules:
    found = [edition for known_from, edition in frames if known_from <= moment]
    return rules_of(found[-1]) if found else current()
