"""The versions of a company's book, each with what it came to before and after."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from agreements import stored_mrr
from agreements.figures import Part, Total, totals_of
from agreements.known import values
from agreements.known.keeping import with_base
from agreements.known.reading import KnownBook, book_of
from agreements.models import BookPiece, BookVersion, ChoiceRecord
from audit_site.tenants.models import Tenant
from companies.models import Company

#: A figure follows a decision within this time: in the transaction that makes it.
AT_ONCE: Final = timedelta(minutes=1)
#: More decisions are not looked through for one page of versions.
MOST_DECISIONS: Final = 500


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """A version with its figure of the day on which it became known, and that of the one before."""

    version: BookVersion
    known_to: datetime | None
    mrr_before: list[Total]
    mrr_after: list[Total]

    @property
    def cause(self) -> dict[str, Any]:
        """What changed the book: a run or a person, by id and name."""
        version = self.version
        cause = {"kind": version.kind, "run": version.run, "user": version.user_id}
        return {**cause, "name": version.name}


def versions_of(company: Company) -> QuerySet[BookVersion]:
    """The versions of a company's book, newest first; each with `known_to`, null = now."""
    stored_mrr.refresh_stale(company.tenant, [company.pk])
    rows = BookVersion.objects.for_tenant(company.tenant).filter(company=company)
    later = rows.filter(known_from__gt=OuterRef("known_from")).order_by("known_from")
    known_to = Subquery(later.values("known_from")[:1])
    return rows.annotate(known_to=known_to).order_by("-known_from", "-id")


def shown_versions(company: Company, versions: Sequence[Any]) -> list[ShownVersion]:
    """Some versions that follow each other, newest first, with their figures. Two statements."""
    if not versions:
        return []
    rows = BookVersion.objects.for_tenant(company.tenant).filter(company=company)
    earlier = rows.filter(known_from__lt=versions[-1].known_from).order_by("-known_from")
    first = earlier.values_list("known_from", flat=True).first()
    moments = [version.known_from for version in versions] + ([first] if first else [])
    books = books_at_moments(company.tenant, company.pk, moments)
    shown = []
    for number, version in enumerate(versions):
        book = books[version.known_from]
        on = book.today(version.known_from) if book else company.tenant.today()
        before = books[moments[number + 1]] if number + 1 < len(moments) else None
        shown.append(
            ShownVersion(version, version.known_to, _totals(before, on), _totals(book, on))
        )
    return shown


def decisions_behind(
    company: Company, versions: Sequence[BookVersion]
) -> dict[UUID, list[ChoiceRecord]]:
    """The decisions that made some versions, by the versions' ids: of the same person, made just
    before the version became known. One statement.
    """
    decided = sorted(
        ((one.known_from, one) for one in versions if one.kind == "choice"), key=itemgetter(0)
    )
    if not decided:
        return {}
    moments = [moment for moment, _ in decided]
    records = ChoiceRecord.objects.for_tenant(company.tenant).filter(
        at__gt=moments[0] - AT_ONCE, at__lte=moments[-1], agreement__company=company
    )
    found: dict[UUID, list[ChoiceRecord]] = {}
    for record in records.order_by("-at", "-id")[:MOST_DECISIONS]:
        moment, version = decided[bisect_left(moments, record.at)]
        if moment - record.at < AT_ONCE and version.user_id == record.actor_id:
            found.setdefault(version.pk, []).append(record)
    return found


def _totals(book: KnownBook | None, on: date) -> list[Total]:
    return totals_of([Part(book.prepared, book.rules.engine)], on) if book else []


def books_at_moments(
    tenant: Tenant, company_id: UUID, moments: Sequence[datetime]
) -> dict[datetime, KnownBook | None]:
    """One company's books as they were known at several moments. One statement."""
    stretch = Q(known_to=None) | Q(known_to__gt=min(moments))
    rows = BookPiece.objects.for_tenant(tenant).filter(
        stretch, company=company_id, known_from__lte=max(moments)
    )
    columns = ("agreement", "part", "known_from", "known_to", "value", "base_value")
    pieces = [
        (values.as_key(agreement, part), start, end, values.unpack(value, base))
        for agreement, part, start, end, value, base in with_base(rows).values_list(*columns)
    ]
    found: dict[datetime, KnownBook | None] = {}
    for moment in moments:
        texts = {
            key: text
            for key, start, end, text in pieces
            if start <= moment and (end is None or moment < end)
        }
        is_known = values.FRAME in texts
        found[moment] = book_of(str(company_id), texts, tenant) if is_known else None
    return found
