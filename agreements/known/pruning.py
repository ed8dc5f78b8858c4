"""Thins out what was known long ago: of a month that is over, its last version stays.

After that, a moment in such a month is answered with what was known when the month before ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agreements.models import BookPiece, BookVersion, CompanyBook
from audit_site.db import walls
from audit_site.db.bulk import AnyOf
from audit_site.tenants.models import Tenant

#: So many companies are thinned out in one transaction.
SLICE: Final = 100


def thin_out() -> int:
    """Thin out the versions that are older than `BOOK_HISTORY_DAYS`; 0 = all of them stay."""
    if not settings.BOOK_HISTORY_DAYS:
        return 0
    before = timezone.now() - timedelta(days=settings.BOOK_HISTORY_DAYS)
    with walls.as_system("thin_out_books"):
        tenants = list(Tenant.objects.order_by("pk"))
    return sum(_thin_out_tenant(tenant, before) for tenant in tenants)


def _thin_out_tenant(tenant: Tenant, before: datetime) -> int:
    with walls.within(tenant.pk):
        books = CompanyBook.objects.for_tenant(tenant).order_by("company")
        company_ids = list(books.values_list("company", flat=True))
        return sum(
            thin_out_companies(tenant, company_ids[start : start + SLICE], before)
            for start in range(0, len(company_ids), SLICE)
        )


@transaction.atomic
def thin_out_companies(tenant: Tenant, company_ids: Sequence[UUID], before: datetime) -> int:
    """Of these companies; how many versions went. Behind the locks of their books."""
    locked = CompanyBook.objects.for_tenant(tenant).filter(AnyOf("company_id", company_ids))
    held = list(locked.order_by("company").select_for_update().values_list("company", flat=True))
    rows = BookVersion.objects.for_tenant(tenant).filter(AnyOf("company_id", held))
    moments: dict[UUID, list[datetime]] = defaultdict(list)
    ids: dict[tuple[UUID, datetime], UUID] = {}
    columns = ("id", "company_id", "known_from")
    for id_, company_id, moment in rows.order_by("known_from").values_list(*columns):
        moments[company_id].append(moment)
        ids[company_id, moment] = id_
    gone = {company_id: superfluous(tenant, found, before) for company_id, found in moments.items()}
    versions = [ids[company_id, at] for company_id, found in gone.items() for at in found]
    rows.filter(AnyOf("id", versions)).delete()
    left = {
        company_id: [at for at in moments[company_id] if at not in found]
        for company_id, found in gone.items()
        if found
    }
    if left:
        _mend_pieces(tenant, left)
    return len(versions)


def superfluous(tenant: Tenant, moments: Sequence[datetime], before: datetime) -> set[datetime]:
    """Of the moments of a book's versions, in order, those that are not the last of their month.

    The first version stays, since when anything is known, and so do those of a month that is not
    wholly older than `before`.
    """
    first_kept = before.astimezone(tenant.zone).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    old = [at for at in moments[1:] if at < first_kept]
    last = {_month(tenant, at): at for at in old}
    return set(old) - set(last.values())


def _month(tenant: Tenant, at: datetime) -> tuple[int, int]:
    local = at.astimezone(tenant.zone)
    return local.year, local.month


def _mend_pieces(tenant: Tenant, left: Mapping[UUID, Sequence[datetime]]) -> None:
    """Pieces begin and end with the versions that are left; those of none of them go.

    A piece that others are differences from stays, and is known at no moment.
    """
    rows = BookPiece.objects.for_tenant(tenant).filter(AnyOf("company_id", left))
    pieces = list(rows.defer("value"))
    changed, gone = [], []
    for piece in pieces:
        begins, ends = _stretch(piece, left[piece.company_id])
        if begins is None:
            gone.append(piece)
        elif (begins, ends) != (piece.known_from, piece.known_to):
            piece.known_from, piece.known_to = begins, ends
            changed.append(piece)
    bases = {piece.base for piece in pieces} - {piece.base for piece in gone}
    for piece in gone:
        if piece.pk in bases and piece.known_to != piece.known_from:
            piece.known_to = piece.known_from
            changed.append(piece)
    BookPiece.objects.bulk_update(changed, ["known_from", "known_to"])
    rows.filter(AnyOf("id", [piece.pk for piece in gone if piece.pk not in bases])).delete()


def _stretch(piece: BookPiece, left: Sequence[datetime]) -> tuple[datetime | None, datetime | None]:
    """From which to which of the versions that are left a piece is known; None, None = of none."""
    theirs = [at for at in left if _holds(piece, at)]
    if not theirs:
        return None, None
    after = [at for at in left if at > theirs[-1]]
    is_open = piece.known_to is None or not after
    return theirs[0], None if is_open else after[0]


def _holds(piece: BookPiece, at: datetime) -> bool:
    return piece.known_from <= at and (piece.known_to is None or at < piece.known_to)
