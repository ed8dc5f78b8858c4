"""What is kept of books, read and rewritten as text: for exports, and to take something out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from agreements.known import values
from agreements.known.keeping import with_base
from agreements.models import BookPiece
from audit_site.db.bulk import AnyOf
from audit_site.db.slices import SLICE
from audit_site.tenants.models import Tenant


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


def pieces_with(tenant: Tenant, is_told: Callable[[str], bool]) -> Iterator[tuple[UUID, UUID]]:
    """Id and company of the pieces in whose text something is told; few at a time."""
    rows = with_base(BookPiece.objects.for_tenant(tenant)).order_by("pk")
    columns = ("pk", "company_id", "value", "base_value")
    found = list(rows.values_list(*columns)[:SLICE])
    while found:
        for id_, company_id, value, base in found:
            if is_told(values.unpack(value, base).decode()):
                yield id_, company_id
        found = list(rows.filter(pk__gt=found[-1][0]).values_list(*columns)[:SLICE])


def rewrite(tenant: Tenant, is_told: Callable[[str], bool], without: Callable[[str], str]) -> int:
    """Take something out of each text in which it is told; how many they were.

    Whatever is a difference from such a text is packed whole.
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
    rewritten = []
    for piece in with_base(rows):
        base_value: Any = piece.base_value  # type: ignore[attr-defined]
        if piece.pk not in changed and piece.base not in changed:
            continue
        text = values.unpack(piece.value, base_value)
        if piece.pk in changed:
            text = without(text.decode()).encode()
        piece.value, piece.base = values.pack(text), None
        rewritten.append(piece)
    BookPiece.objects.bulk_update(rewritten, ["value", "base"], batch_size=SLICE)
