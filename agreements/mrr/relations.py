"""Which agreements name which others: as their parent, or as what they replace."""

from __future__ import annotations

from collections import defaultdict

from agreements.mrr.book import Agreement, Book
from agreements.mrr.cycles import is_blank
from agreements.mrr.meaning import Meaning
from agreements.mrr.prepared import first_day
from agreements.mrr.windows import inactive_from_day, own_bounds

#: The first agreement of each PSA, account and id.
ById = dict[tuple[str, str, str], Agreement]


def named(agreement: Agreement, id_: str, by_id: ById) -> Agreement | None:
    """The other agreement that one names, as its parent or as what it replaces."""
    other = by_id.get((agreement.source, agreement.account, id_)) if id_ else None
    return None if other is agreement else other


def effective_cycle(agreement: Agreement, by_id: ById) -> object:
    """The agreement's own cycle, or else its parent's own (one level)."""
    if not is_blank(agreement.own_cycle):
        return agreement.own_cycle
    parent = named(agreement, agreement.parent_id, by_id)
    return parent.own_cycle if parent else None


def renewals_of(
    book: Book,
    meanings: list[Meaning],
    settled: list[str | None],
    by_id: ById,
) -> dict[int, list[int]]:
    """For each replaced agreement (by identity), the first days of what replaces it."""
    replaced: dict[int, list[int]] = defaultdict(list)
    for newer, meaning, reason in zip(book.agreements, meanings, settled, strict=True):
        if not newer.replaced_ids or reason or newer.start_date is None:
            continue
        first = newer.start_date.toordinal()
        untils = [until for until, _ in own_bounds(newer)]
        if first >= min([*untils, inactive_from_day(newer, meaning)]):
            continue
        for id_ in newer.replaced_ids:
            older = named(newer, id_, by_id)
            if older is None or older.company_id != newer.company_id:
                continue
            if not (book.edition.breaks_circles and _replaces_in_turn(older, newer)):
                replaced[id(older)].append(first)
    return replaced


def _replaces_in_turn(older: Agreement, newer: Agreement) -> bool:
    """Whether what is named names the other one too, and begins later: then it is the newer one."""
    begins = [(first_day(one), one.id) for one in (older, newer)]
    return newer.id in older.replaced_ids and begins[0] > begins[1]
