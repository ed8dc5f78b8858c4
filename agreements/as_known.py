"""MRR as it was known at a moment: of a company, of the tenant, by month, and from day to day.

The law of kept books: what is asked for as known at a moment is what was answered at that moment.
Before a company's first version nothing was known of it, and it counts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, Max, Q
from django.utils import timezone

from agreements import stored_mrr
from agreements.figures import (
    CompanyFigure,
    Month,
    Part,
    TenantFigure,
    figure_of_book,
    months_of,
    movement_of,
    parts_of,
    totals_of,
)
from agreements.known.reading import KnownBook, books_at
from agreements.models import BookVersion
from agreements.mrr import Movement
from audit_site.tenants.models import Tenant
from companies.models import ArchivedPeriod, Company

#: No clock of a worker is further ahead.
FUTURE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Known:
    """What was known at a moment: the books by company, and the day that it was then."""

    at: datetime
    books: dict[str, KnownBook]
    today: date
    archived: frozenset[str] = frozenset()
    is_now: bool = False

    @property
    def until(self) -> datetime:
        """The end of what is looked at, for a moment that follows all versions where it is now."""
        return self.at + FUTURE if self.is_now else self.at

    @property
    def is_known(self) -> bool:
        """Whether anything was known then."""
        return bool(self.books)

    @property
    def parts(self) -> list[Part]:
        return parts_of(self.books.values())


def known_books(
    tenant: Tenant,
    at: datetime | None,
    company_id: UUID | None = None,
    *,
    with_shown: bool = True,
) -> Known:
    """The books of one company, or of all that were not archived then. Three statements.

    `at`: None = now, with what a worker whose clock is ahead has written.
    """
    chosen = None if company_id is None else [company_id]
    stored_mrr.refresh_for_reader(tenant, company_id)
    with stored_mrr.collector_paused():
        books, is_now = books_at(tenant, at, chosen, with_shown=with_shown), at is None
    at = at or timezone.now()
    zones = [book.frame.timezone for book in books.values()]
    zone = max(zones, key=zones.count) if zones else tenant.timezone
    archived = frozenset(archived_at(tenant, at)) if company_id is None else frozenset()
    active = {id_: book for id_, book in books.items() if id_ not in archived}
    return Known(at, active, Tenant(timezone=zone).today(at), archived, is_now)


def archived_at(tenant: Tenant, at: datetime) -> set[str]:
    """The companies that were archived at a moment."""
    periods = ArchivedPeriod.objects.for_tenant(tenant).filter(
        Q(restored_at=None) | Q(restored_at__gt=at), archived_at__lte=at
    )
    return {str(id_) for id_ in periods.values_list("company", flat=True)}


def company_as_known(company: Company, at: datetime, as_of: date | None = None) -> CompanyFigure:
    """A company's MRR with its ledger, as it was known at a moment."""
    known = known_books(company.tenant, at, company.pk)
    on = as_of or known.today
    (book,) = known.books.values() or (None,)
    part = Part(book.prepared, book.rules.engine) if book else Part([])
    figure = figure_of_book(part, on)
    return replace(figure, known_at=at, known_from=newest_version(company, at))


def newest_version(company: Company, at: datetime) -> datetime | None:
    """Since when that was known of a company which was known at a moment; None = nothing was."""
    rows = BookVersion.objects.for_tenant(company.tenant).filter(
        company=company, known_from__lte=at
    )
    found: datetime | None = rows.aggregate(at=Max("known_from"))["at"]
    return found


def tenant_as_known(tenant: Tenant, at: datetime, as_of: date | None = None) -> TenantFigure:
    """MRR of all companies that were active at a moment, as it was known then."""
    known = known_books(tenant, at, with_shown=False)
    on = as_of or known.today
    day = on.toordinal()
    counting = {
        company_id
        for company_id, book in known.books.items()
        if any(item.counted(day)[0] for item in book.prepared)
    }
    return TenantFigure(on, totals_of(known.parts, on), len(counting), at, known.is_known)


def months_as_known(known: Known, first: date, months: int) -> list[Month]:
    return months_of(known.parts, first, months)


def movement_as_known(known: Known, start: date, end: date) -> list[Movement]:
    return movement_of(known.parts, start, end)


def known_etag(tenant: Tenant, at: datetime, company_id: UUID | None = None) -> str:
    """A text that stays the same as long as that past does: thinning out alone changes it."""
    stored_mrr.refresh_for_reader(tenant, company_id)
    rows = BookVersion.objects.for_tenant(tenant).filter(known_from__lte=at)
    if company_id is not None:
        rows = rows.filter(company=company_id)
    found = rows.aggregate(Count("id"), Max("known_from"))
    return ":".join(map(str, (tenant.pk, at, *found.values())))
