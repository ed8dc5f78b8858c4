"""What makes an amount that counts doubtful: it changes no figure, and a person settles it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from agreements.mrr.cycles import CONTRACT_LENGTH, months_between, months_on
from agreements.mrr.dates import ONE_DAY
from agreements.mrr.prepared import Prepared, Row

POSSIBLE_OVERLAP: Final = "possible_overlap"
PART_OF_CYCLE: Final = "part_of_cycle"
NEGATIVE_AGREEMENT: Final = "negative_agreement"
#: Warnings that a person settles: by a decision, or by saying that it is right as it is.
DOUBTS: Final = (POSSIBLE_OVERLAP, PART_OF_CYCLE, NEGATIVE_AGREEMENT)

#: What people, and the wizards of PSAs, write before the name of an agreement that they repeat.
_REPEATED: Final = re.compile(r"^(?:renewal|copy) of ")


def doubts_of(item: Prepared, day: int, *, overlaps: bool) -> list[str]:
    """What of an agreement nobody has settled, in the order of `DOUBTS`."""
    accepted = item.agreement.right or ()
    applying = {
        POSSIBLE_OVERLAP: overlaps and item.counted(day)[0] > 0,
        PART_OF_CYCLE: any(
            is_part_of_cycle(row) and row.counts(day)
            for row in item.rows
            if PART_OF_CYCLE not in ((row.line and row.line.right) or ())
        ),
        NEGATIVE_AGREEMENT: comes_to_less_than_nothing(item, day),
    }
    return [code for code, applies in applying.items() if applies and code not in accepted]


def overlapping(book: Iterable[Prepared], day: int) -> set[int]:
    """Which agreements (by identity) have another of their company, currency and name in force on
    the same day.
    """
    groups: dict[tuple[str, str], list[Prepared]] = defaultdict(list)
    for item in book:
        if item.is_own and item.reason_on(day) is None:
            groups[item.agreement.company_id, item.currency].append(item)
    return {id(item) for items in groups.values() if len(items) > 1 for item in _namesakes(items)}


def rivals(item: Prepared, book: Iterable[Prepared], day: int) -> list[Prepared]:
    """What an agreement overlaps with."""
    return [
        other
        for other in book
        if other is not item and other.is_own and overlapping((item, other), day)
    ]


def _namesakes(items: Iterable[Prepared]) -> Iterator[Prepared]:
    """Those of one name, and those of names of which one begins with the other at a word's end."""
    by_name: dict[str, list[Prepared]] = defaultdict(list)
    for item in items:
        if name := _name_of(item):
            by_name[name].append(item)
    for name, same in by_name.items():
        if len(same) > 1:
            yield from same
        if same[0].edition.knows_usual_names:
            for other in (start for start in _starts(name) if start in by_name):
                yield from same
                yield from by_name[other]


def _starts(name: str) -> Iterator[str]:
    """What the name begins with, up to each end of a word in it."""
    return (name[:end].rstrip() for end, char in enumerate(name) if end and not char.isalnum())


def _name_of(item: Prepared) -> str:
    """Its name without case, runs of blanks, and a leading "Renewal of"."""
    name = " ".join(item.agreement.name.split()).casefold()
    return _REPEATED.sub("", name, count=1) if item.edition.knows_usual_names else name


def is_part_of_cycle(row: Row) -> bool:
    """Whether a line's own dates hold less than one of its cycles, where that is longer than a
    month: its price may be for that part only.
    """
    line, cycle = row.line, row.cycle
    if line is None or cycle is None or not row.owner.edition.doubts_amounts:
        return False
    if line.start_date is None or line.end_date is None:
        return False
    until = line.end_date.toordinal() + 1
    if cycle.is_longer_than_a_month:
        return until < cycle.end_of_first(line.start_date)
    if cycle.name != CONTRACT_LENGTH or row.factor is None:
        return False
    agreement = row.owner.agreement
    if agreement.start_date is None or agreement.end_date is None:
        return False
    term = months_between(agreement.start_date, agreement.end_date + ONE_DAY)
    whole = int(term)
    begun, next_month = (months_on(line.start_date, months) for months in (whole, whole + 1))
    return until < begun + (term - whole) * (next_month - begun)


def comes_to_less_than_nothing(item: Prepared, day: int) -> bool:
    """Whether the rows of an agreement with lines add up to less than zero on a day."""
    if not item.edition.doubts_amounts or not item.agreement.lines:
        return False
    return item.counted(day)[1] < 0
