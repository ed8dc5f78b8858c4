"""What waits for a word: rows that stay out as long as nobody says what a word of the PSA means."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from typing import Final, NamedTuple

from msgspec.structs import replace

from agreements.mrr.book import Book
from agreements.mrr.cycles import is_blank
from agreements.mrr.prepared import Prepared, Row
from agreements.mrr.rules import prepare
from agreements.mrr.words import (
    AGREEMENT_TYPE,
    CURRENCY,
    CYCLE,
    STATUS,
    WordChoice,
    choice_of,
    unknown_word,
    word_key,
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
    cycle = line.own_cycle if line and not is_blank(line.own_cycle) else row.owner.meaning.cycle
    return unknown_word(cycle)


def is_other_type(item: Prepared) -> bool:
    """Whether its type is what keeps it out, in a PSA of which one type alone recurs."""
    agreement = item.agreement
    return bool(agreement.recurring is False and agreement.type and item.source.recurring_type)


def awaited_money(book: Book, on: date, account: str, kind: str) -> Iterator[AwaitedMoney]:
    """What each row of an account that waits for a word of a kind would bring on a day, were it
    said.

    The same book is settled once more with all words of the kind said: what stays out for another
    reason then, or is replaced, brings nothing.
    """
    day, now = on.toordinal(), prepare(book)
    waiting = [
        (position, number, awaited)
        for position, item in enumerate(now)
        if item.agreement.account == account
        for number, row in enumerate(item.rows)
        if (awaited := awaited_word(row, row.reason_on(day))) and awaited.kind == kind
    ]
    if not waiting:
        return
    said = {
        (account, kind, word_key(awaited.word)): _as_if_said(awaited) for *_, awaited in waiting
    }
    then = prepare(replace(book, words={**book.words, **said}))
    for position, number, awaited in waiting:
        item = then[position]
        row = item.rows[number]
        if row.counts(day):
            yield AwaitedMoney(awaited, item.currency, row.mrr(day))


#: As which meaning a word is taken to see what waits for it; a currency as itself.
_AS_IF: Final = {CYCLE: "monthly", STATUS: "active", AGREEMENT_TYPE: "count"}


def _as_if_said(awaited: AwaitedWord) -> WordChoice:
    return WordChoice(awaited.kind, awaited.word, _AS_IF.get(awaited.kind, awaited.word))
