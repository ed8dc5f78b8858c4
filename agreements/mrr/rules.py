"""Which agreements count, and why not: sections 4 and 5 of the definition, once per book.

`prepare` settles what no day changes.
"""

from __future__ import annotations

from agreements.mrr.book import UNKNOWN_SOURCE, Agreement, Book
from agreements.mrr.cycles import NOT_RECURRING, ONE_TIME, read_cycle
from agreements.mrr.meaning import Meaning, read_meaning
from agreements.mrr.prepared import Prepared
from agreements.mrr.relations import ById, effective_cycle, named, renewals_of
from agreements.mrr.windows import is_inactive, windowed


def prepare(book: Book) -> list[Prepared]:
    """Settle a whole book. Order in, order out; context agreements come along without rows."""
    by_id: ById = {}
    for agreement in book.agreements:
        by_id.setdefault((agreement.source, agreement.account, agreement.id), agreement)
    meanings = [
        read_meaning(a, effective_cycle(a, by_id), book.default_currency, book.words)
        for a in book.agreements
    ]
    settled = [
        _settled(agreement, meaning, by_id)
        for agreement, meaning in zip(book.agreements, meanings, strict=True)
    ]
    renewals = renewals_of(book, meanings, settled, by_id)
    prepared = [
        windowed(agreement, meaning, reason, renewals.get(id(agreement), ()), book.edition)
        for agreement, meaning, reason in zip(book.agreements, meanings, settled, strict=True)
    ]
    of_agreement = {id(item.agreement): item for item in prepared}
    for item in prepared:
        parent = named(item.agreement, item.agreement.parent_id, by_id)
        item.parent = of_agreement[id(parent)] if parent else None
        item.source = book.sources.get(item.agreement.source, UNKNOWN_SOURCE)
        item.words = book.words
    return prepared


def _settled(agreement: Agreement, meaning: Meaning, by_id: ById) -> str | None:
    """The first of the reasons that no day changes."""
    cycle = read_cycle(meaning.cycle)
    name = cycle.name if cycle else ""
    start, end = agreement.start_date, agreement.end_date
    if by_id[agreement.source, agreement.account, agreement.id] is not agreement:
        return "duplicate_id"
    if meaning.exclude:
        return "excluded_by_user"
    if agreement.set_aside and not agreement.force_include:
        return "set_aside"
    if name == NOT_RECURRING or (meaning.recurring is False and not agreement.force_include):
        return "not_recurring"
    if name == ONE_TIME:
        return "one_time"
    if agreement.has_unreadable_date or (start and end and end < start and not agreement.no_end):
        return "invalid_dates"
    if not meaning.has_known_currency:
        return "unknown_currency"
    if is_inactive(agreement, meaning) and agreement.inactive_from is None:
        return "inactive"
    if agreement.cancelled is True and agreement.cancelled_date is None:
        return "cancelled"
    return None
