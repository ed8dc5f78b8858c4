"""What waits for a word: rows that stay out as long as nobody says what a word of the PSA means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from agreements.mrr.cycles import is_blank
from agreements.mrr.rules import Prepared, Row
from agreements.mrr.words import (
    AGREEMENT_TYPE,
    CURRENCY,
    CYCLE,
    STATUS,
    choice_of,
    unknown_word,
)


class AwaitedWord(NamedTuple):
    """A word of a PSA that nobody said the meaning of."""

    kind: str
    word: str


class AwaitedMoney(NamedTuple):
    """What waits for a word in one currency: an amount a cycle where the cycle is the word, else a
    month.
    """

    awaited: AwaitedWord
    currency: str
    amount: Fraction


def awaited_word(row: Row, reason: str | None) -> AwaitedWord | None:
    """The word that keeps a row out for this reason; None where no word does."""
    item = row.owner
    agreement = item.agreement
    found = None
    if reason == "unknown_cycle":
        found = AwaitedWord(CYCLE, unknown_cycle_of(row))
    elif reason == "unknown_currency":
        found = AwaitedWord(CURRENCY, item.currency)
    elif reason == "inactive":
        found = AwaitedWord(STATUS, agreement.status)
    elif reason == "not_recurring" and is_other_type(item):
        found = AwaitedWord(AGREEMENT_TYPE, agreement.type)
    if found is None or not found.word or choice_of(item.words, agreement.account, *found):
        return None
    return found


def unknown_cycle_of(row: Row) -> str:
    """The word of the row's cycle that nobody knows the meaning of; "" where there is none."""
    line = row.line
    cycle = line.cycle if line and not is_blank(line.cycle) else row.owner.meaning.cycle
    return unknown_word(cycle)


def is_other_type(item: Prepared) -> bool:
    """Whether its type is what keeps it out, in a PSA of which one type alone recurs."""
    agreement = item.agreement
    return bool(agreement.recurring is False and agreement.type and item.source.recurring_type)


def awaited_money(book: Iterable[Prepared], on: date) -> Iterator[AwaitedMoney]:
    """What the rows of a book that wait for a word on a day would bring."""
    day = on.toordinal()
    for item in book:
        for row in item.rows:
            awaited = awaited_word(row, row.reason_on(day))
            amount = _amount(row, awaited, day) if awaited else None
            if awaited and amount:
                yield AwaitedMoney(awaited, item.currency, amount)


def _amount(row: Row, awaited: AwaitedWord, day: int) -> Fraction | None:
    """None where it is out for a reason of its own as well, or can't be known."""
    item = row.owner
    if not (max(item.first, row.first) <= day < min(item.until, row.until)):
        return None
    if awaited.kind == CYCLE:
        return row.per_cycle(day)
    return None if row.settled else row.rate(day)
