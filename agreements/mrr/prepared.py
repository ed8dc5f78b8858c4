"""Agreements and rows of which everything is settled that no day changes.

A row knows the stretches of days on which it counts and its rate on each; the figures are sums over
those. `reason_on` says, for one day, why a row does not count; both come from the same settled
facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import cast

from msgspec import Struct

from agreements.mrr.amounts import NOTHING
from agreements.mrr.book import UNKNOWN_SOURCE, Agreement, Line, Source
from agreements.mrr.cycles import NOT_RECURRING, ONE_TIME, Cycle, read_cycle
from agreements.mrr.dates import EVER, NEVER
from agreements.mrr.edition import TODAY, Edition
from agreements.mrr.meaning import Meaning
from agreements.mrr.money import EXACTLY
from agreements.mrr.words import NO_WORDS, WordChoice, Words

Stretch = tuple[int, int, Fraction]


class Row(Struct, eq=False):
    """One row of the ledger: an agreement's flat amount, or one line.

    `first` is its first day by the line's own dates, `until` the day after its last one.
    """

    owner: Prepared
    line: Line | None
    cycle: Cycle | None
    factor: Fraction | None
    first: int = EVER
    until: int = NEVER
    settled: str | None = None  # a reason that no day changes
    word: WordChoice | None = None  # what a person said of a word of the line's own
    history: list[tuple[int, int, Decimal]] | None = None  # days → amount per cycle
    amount: Decimal | None = None  # per cycle, without a history
    warnings: list[str] = []
    _stretches: list[Stretch] | None = None

    @property
    def stretches(self) -> list[Stretch]:
        """The days on which it counts, with its rate: what figures over time are sums of."""
        if self._stretches is None:
            self._stretches = list(_stretches(self))
        return self._stretches

    def amount_on(self, day: int) -> Decimal | None:
        """Amount per cycle on a day, None if it can't be known."""
        if self.history is None:
            return self.amount
        return next((amount for a, b, amount in self.history if a <= day < b), None)

    def per_cycle(self, day: int) -> Fraction | None:
        amount = self.amount_on(day)
        return None if amount is None else Fraction(amount)

    def rate(self, day: int) -> Fraction | None:
        """What the row brings a month, or would if nothing kept it out."""
        per_cycle = self.per_cycle(day)
        return None if per_cycle is None or self.factor is None else per_cycle * self.factor

    def reason_on(self, day: int) -> str | None:
        """Why the row does not count on a day; None = it counts."""
        if reason := self.owner.reason_on(day) or self.settled:
            return reason
        if day < self.first:
            return "line_not_started"
        if day >= self.until:
            return "line_ended"
        amount = self.amount_on(day)
        if amount is None:
            return "no_units_for_date"
        return None if amount else "zero_amount"

    def mrr(self, day: int) -> Fraction:
        rate = self.rate(day) if self.counts(day) else None
        return Fraction(0) if rate is None else rate

    def counts(self, day: int) -> bool:
        return self.reason_on(day) is None


def _stretches(row: Row) -> Iterable[Stretch]:
    """The days on which the row counts, with its rate: what all figures are sums of."""
    for begins, until, amount in counting_amounts(row):
        yield begins, until, Fraction(amount) * cast(Fraction, row.factor)


def counting_amounts(row: Row) -> Iterable[tuple[int, int, Decimal]]:
    """The days on which the row counts, with its amount per cycle."""
    owner = row.owner
    if owner.settled or row.settled or owner.agreement.incomplete or row.factor is None:
        return
    first, until = max(owner.first, row.first), min(owner.stops, row.until)
    pieces = [(EVER, NEVER, row.amount)] if row.history is None else row.history
    for begins, ends, amount in pieces:
        a, b = max(first, begins), min(until, ends)
        if a < b and amount:
            yield a, b, amount


class Prepared(Struct, eq=False):
    """An agreement with what no day changes: its window, its settled reason, its rows.

    `first` and `until` are its window. From `inactive_from` on it is out, whatever its window says.
    `words` is what people said of all words. `settle_rows` settles its rows when someone asks for
    them: a caller that only asks whether the agreement is in force needs no lines.
    """

    agreement: Agreement
    settled: str | None  # steps 1 to 7, with 5b
    first: int
    until: int
    bound: str  # the code of what ends the window
    meaning: Meaning
    settle_rows: Callable[[Prepared], list[Row]]
    inactive_from: int = NEVER
    edition: Edition = TODAY
    parent: Prepared | None = None
    source: Source = UNKNOWN_SOURCE
    words: Words = NO_WORDS
    _rows: list[Row] | None = None

    @property
    def currency(self) -> str:
        """A code of ISO 4217, or the PSA's word that is none: then nothing of it counts."""
        return self.meaning.currency

    @property
    def is_own(self) -> bool:
        """Whether it is of this book, and not only there as another's parent."""
        return not self.agreement.is_context

    @property
    def rows(self) -> list[Row]:
        if self._rows is None:
            self._rows = self.settle_rows(self) if self.is_own else []
        return self._rows

    def forget_rows(self) -> None:
        """Let go of the rows: they and this name each other, which only the collector undoes."""
        self._rows = None

    @property
    def last_day(self) -> date | None:
        """The last day of its window, None = open."""
        return date.fromordinal(self.until - 1) if EVER < self.until - 1 < NEVER - 1 else None

    @property
    def stops(self) -> int:
        """The first day on which nothing of it counts any more."""
        return min(self.until, self.inactive_from)

    def can_count(self, day: int) -> bool:
        """Whether a row of it can count on a day or a later one."""
        return not self.settled and day < self.stops and self.first < self.stops

    @property
    def is_recurring(self) -> bool:
        """Whether it recurs by its type and cycle, whatever a person decided about it."""
        cycle = read_cycle(self.meaning.cycle)
        billed_once = cycle is not None and cycle.name in {ONE_TIME, NOT_RECURRING}
        return self.meaning.recurring is not False and not billed_once

    @property
    def is_never_in_force(self) -> bool:
        return self.until <= self.first

    def reason_on(self, day: int) -> str | None:
        """The agreement's reason on a day (steps 1 to 11)."""
        if day >= self.inactive_from and self.settled in {None, "cancelled"}:
            return "inactive"
        if self.settled:
            return self.settled
        if self.is_never_in_force:
            return self.bound
        if day < self.first:
            return "not_started" if day < first_day(self.agreement) else "before_move"
        if day >= self.until:
            return self.bound
        return "incomplete" if self.agreement.incomplete else None

    def counted(self, day: int) -> tuple[int, Fraction]:
        """How many of its rows count on a day, and what they come to together.

        Neighbours of one factor are added up as decimals first: one fraction instead of many.
        """
        if self.reason_on(day):
            return 0, Fraction(0)
        count, total = 0, Fraction(0)
        part, factor = NOTHING, None
        for row in self.rows:
            if row.settled or not row.first <= day < row.until:
                continue
            amount = row.amount_on(day)
            if not amount or row.factor is None:
                continue
            if row.factor is factor:
                part = EXACTLY.add(part, amount)
            else:
                if factor is not None:
                    total += Fraction(part) * factor
                part, factor = amount, row.factor
            count += 1
        if factor is None:
            return count, total
        last = Fraction(part) * factor
        return count, total + last if total else last


def next_change(prepared: Prepared, after: date) -> date | None:
    """The next day after `after` on which this agreement's MRR or a row's reason can change."""
    today = after.toordinal()
    if not prepared.can_count(today):
        out = prepared.inactive_from  # then that is why, whatever the reason was
        is_ahead = prepared.settled in {None, "cancelled"} and today < out < NEVER
        return date.fromordinal(out) if is_ahead else None
    soonest = prepared.first if today < prepared.first else prepared.stops
    if today + 1 < soonest:
        for row in prepared.rows:
            if today < row.first < soonest:
                soonest = row.first
            if today < row.until < soonest:
                soonest = row.until
            for begins, ends, _ in row.history or ():
                soonest = min(day for day in (begins, ends, soonest) if day > today)
        end = prepared.agreement.end_date
        if end and today <= end.toordinal() < soonest:
            soonest = end.toordinal() + 1  # an assumed renewal shows from the day after it
    return date.fromordinal(soonest) if soonest < NEVER else None


def first_day(agreement: Agreement) -> int:
    """The first day in force, by its own dates."""
    return ordinal_of(agreement.start_date)


def ordinal_of(day: date | None) -> int:
    return day.toordinal() if day else EVER
