"""From when to when an agreement is in force: section 4 of the definition."""

from __future__ import annotations

from collections.abc import Iterable

from agreements.mrr.book import Agreement
from agreements.mrr.dates import NEVER
from agreements.mrr.edition import Edition
from agreements.mrr.meaning import Meaning
from agreements.mrr.prepared import Prepared, first_day, ordinal_of
from agreements.mrr.rows import settle_rows


def is_inactive(agreement: Agreement, meaning: Meaning) -> bool:
    """Whether its PSA marks it inactive, and no person counts it all the same."""
    return meaning.active is False and not agreement.force_include


def inactive_from_day(agreement: Agreement, meaning: Meaning) -> int:
    """The first day out since it is marked inactive, where that is known."""
    if agreement.inactive_from is None or not is_inactive(agreement, meaning):
        return NEVER
    return agreement.inactive_from.toordinal()


def own_bounds(agreement: Agreement) -> list[tuple[int, str]]:
    """The days after the last ones that the agreement's own dates set, with their codes."""
    bounds = []
    if agreement.cancelled_date and agreement.cancelled is not False:
        bounds.append((agreement.cancelled_date.toordinal() + 1, "cancelled"))
    if agreement.end_date and not agreement.no_end and not agreement.assume_renewal:
        bounds.append((agreement.end_date.toordinal() + 1, "expired"))
    return bounds


def windowed(
    agreement: Agreement,
    meaning: Meaning,
    settled: str | None,
    renewed_on: Iterable[int],
    edition: Edition,
) -> Prepared:
    bounds = [*own_bounds(agreement), *((first, "superseded") for first in renewed_on)]
    rank = ("cancelled", "superseded", "expired")
    until, bound = min(
        bounds, key=lambda item: (item[0], rank.index(item[1])), default=(NEVER, "expired")
    )
    return Prepared(
        agreement=agreement,
        settled=settled,
        first=max(first_day(agreement), ordinal_of(agreement.counts_from)),
        until=until,
        bound=bound,
        meaning=meaning,
        settle_rows=settle_rows,
        inactive_from=inactive_from_day(agreement, meaning),
        edition=edition,
    )
