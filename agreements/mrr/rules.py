"""Which rows count, when, and why not: sections 4 to 6 of the definition, prepared once per book.

`prepare` settles what no day changes. A prepared row knows the stretches of days on which it
counts and its rate on each; the figures are sums over those. `reason_on` says, for one day, why
a row does not count; both come from the same settled facts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from agreements.mrr.amounts import (
    NOTHING,
    ends_before_it_starts,
    exact,
    product,
    unit_amount,
    unit_start,
)
from agreements.mrr.book import UNKNOWN_SOURCE, Agreement, Book, Line, Source
from agreements.mrr.cycles import (
    CONTRACT_LENGTH,
    NOT_RECURRING,
    ONE_TIME,
    Cycle,
    is_blank,
    months_between,
    read_cycle,
)
from agreements.mrr.dates import EVER, NEVER, ONE_DAY
from agreements.mrr.edition import TODAY, Edition
from agreements.mrr.meaning import Meaning, read_meaning
from agreements.mrr.money import EXACTLY
from agreements.mrr.single_cycle import is_single_cycle
from agreements.mrr.words import (
    CYCLE,
    NO_WORDS,
    PRODUCT,
    WordChoice,
    Words,
    choice_of,
    unknown_word,
)

BILLED = {"do_not_bill": "do_not_bill", "no_charge": "no_charge"}
Stretch = tuple[int, int, Fraction]
#: The first agreement of each PSA, account and id.
ById = dict[tuple[str, str, str], Agreement]


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


class Prepared(Struct, eq=False):
    """An agreement with what no day changes: its window, its settled reason, its rows.

    `first` and `until` are its window. From `inactive_from` on it is out, whatever its window says.
    `words` is what people said of all words. The rows are settled when someone asks for them: a
    caller that only asks whether the agreement is in force needs no lines.
    """

    agreement: Agreement
    settled: str | None  # steps 1 to 7, with 5b
    first: int
    until: int
    bound: str  # the code of what ends the window
    meaning: Meaning
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
            self._rows = _rows(self) if self.is_own else []
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


def prepare(book: Book) -> list[Prepared]:
    """Settle a whole book. Order in, order out; context agreements come along without rows."""
    by_id: ById = {}
    for agreement in book.agreements:
        by_id.setdefault((agreement.source, agreement.account, agreement.id), agreement)
    meanings = [
        read_meaning(a, _effective_cycle(a, by_id), book.default_currency, book.words)
        for a in book.agreements
    ]
    settled = [
        _settled(agreement, meaning, by_id)
        for agreement, meaning in zip(book.agreements, meanings, strict=True)
    ]
    renewals = _renewals(book, meanings, settled, by_id)
    prepared = [
        _windowed(agreement, meaning, reason, renewals.get(id(agreement), ()), book.edition)
        for agreement, meaning, reason in zip(book.agreements, meanings, settled, strict=True)
    ]
    of_agreement = {id(item.agreement): item for item in prepared}
    for item in prepared:
        parent = _named(item.agreement, item.agreement.parent_id, by_id)
        item.parent = of_agreement[id(parent)] if parent else None
        item.source = book.sources.get(item.agreement.source, UNKNOWN_SOURCE)
        item.words = book.words
    return prepared


def _named(agreement: Agreement, id_: str, by_id: ById) -> Agreement | None:
    """The other agreement that one names, as its parent or as what it replaces."""
    other = by_id.get((agreement.source, agreement.account, id_)) if id_ else None
    return None if other is agreement else other


def _effective_cycle(agreement: Agreement, by_id: ById) -> object:
    """The agreement's own cycle, or else its parent's own (one level)."""
    if not is_blank(agreement.own_cycle):
        return agreement.own_cycle
    parent = _named(agreement, agreement.parent_id, by_id)
    return parent.own_cycle if parent else None


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
    if _is_inactive(agreement, meaning) and agreement.inactive_from is None:
        return "inactive"
    if agreement.cancelled is True and agreement.cancelled_date is None:
        return "cancelled"
    return None


def _is_inactive(agreement: Agreement, meaning: Meaning) -> bool:
    """Whether its PSA marks it inactive, and no person counts it all the same."""
    return meaning.active is False and not agreement.force_include


def _inactive_from(agreement: Agreement, meaning: Meaning) -> int:
    """The first day out since it is marked inactive, where that is known."""
    if agreement.inactive_from is None or not _is_inactive(agreement, meaning):
        return NEVER
    return agreement.inactive_from.toordinal()


def _own_bounds(agreement: Agreement) -> list[tuple[int, str]]:
    """The days after the last ones that the agreement's own dates set, with their codes."""
    bounds = []
    if agreement.cancelled_date and agreement.cancelled is not False:
        bounds.append((agreement.cancelled_date.toordinal() + 1, "cancelled"))
    if agreement.end_date and not agreement.no_end and not agreement.assume_renewal:
        bounds.append((agreement.end_date.toordinal() + 1, "expired"))
    return bounds


def _renewals(
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
        untils = [until for until, _ in _own_bounds(newer)]
        if first >= min([*untils, _inactive_from(newer, meaning)]):
            continue
        for id_ in newer.replaced_ids:
            older = _named(newer, id_, by_id)
            if older is None or older.company_id != newer.company_id:
                continue
            if not (book.edition.breaks_circles and _replaces_in_turn(older, newer)):
                replaced[id(older)].append(first)
    return replaced


def _replaces_in_turn(older: Agreement, newer: Agreement) -> bool:
    """Whether what is named names the other one too, and begins later: then it is the newer one."""
    begins = [(first_day(one), one.id) for one in (older, newer)]
    return newer.id in older.replaced_ids and begins[0] > begins[1]


def _windowed(
    agreement: Agreement,
    meaning: Meaning,
    settled: str | None,
    renewed_on: Iterable[int],
    edition: Edition,
) -> Prepared:
    bounds = [*_own_bounds(agreement), *((first, "superseded") for first in renewed_on)]
    rank = ("cancelled", "superseded", "expired")
    until, bound = min(
        bounds, key=lambda item: (item[0], rank.index(item[1])), default=(NEVER, "expired")
    )
    return Prepared(
        agreement=agreement,
        settled=settled,
        first=max(first_day(agreement), _ordinal(agreement.counts_from)),
        until=until,
        bound=bound,
        meaning=meaning,
        inactive_from=_inactive_from(agreement, meaning),
        edition=edition,
    )


def first_day(agreement: Agreement) -> int:
    """The first day in force, by its own dates."""
    return _ordinal(agreement.start_date)


def _ordinal(day: date | None) -> int:
    return day.toordinal() if day else EVER


def _rows(item: Prepared) -> list[Row]:
    agreement, rows = item.agreement, []
    cycle = read_cycle(item.meaning.cycle)
    factor = _factor(agreement, cycle)
    amount = agreement.amount
    if not agreement.lines or (amount is not None and (amount.is_nan() or amount != 0)):
        rows.append(_flat_row(item, cycle, factor))
    rows += [_line_row(item, line, cycle, factor) for line in agreement.lines]
    return rows


def _factor(agreement: Agreement, cycle: Cycle | None) -> Fraction | None:
    if cycle is None or cycle.name != CONTRACT_LENGTH:
        return cycle.factor if cycle else None
    start, end = agreement.start_date, agreement.end_date
    if start is None or end is None or agreement.no_end or end < start or end == date.max:
        return None
    return 1 / months_between(start, end + ONE_DAY)


def _flat_row(item: Prepared, cycle: Cycle | None, factor: Fraction | None) -> Row:
    row = Row(item, None, cycle, factor)
    row.amount = exact(item.agreement.amount)
    if row.amount is None:
        row.settled = "invalid_amount"
    elif row.factor is None:
        row.settled = "unknown_cycle"
    return row


def _line_row(item: Prepared, line: Line, cycle: Cycle | None, factor: Fraction | None) -> Row:
    own, word = None, None
    given = line.own_cycle
    if not is_blank(given):
        word = choice_of(item.words, item.agreement.account, CYCLE, unknown_word(given))
        own = cycle = read_cycle(word.meaning if word else given)
        factor = _factor(item.agreement, cycle)
    start, end = line.start_date, line.end_date
    first = EVER if start is None else start.toordinal()
    until = NEVER if end is None else end.toordinal() + 1
    row = Row(item, line, cycle, factor, first, until, word=word)
    row.settled = _settled_line(row, line, own)
    if line.gone_from is not None:
        _cut(row, line.gone_from.toordinal())
    return row


def _cut(row: Row, gone_from: int) -> None:
    """End a row whose line the PSA no longer has from then on: its past stays what it was."""
    row.until = min(row.until, gone_from)
    if row.until <= row.first and row.settled is None:
        row.settled = "line_ended"


def _settled_line(row: Row, line: Line, own: Cycle | None) -> str | None:
    """The first of the line's reasons that no day changes."""
    readable = _settle_history(row, line) if line.units is not None else _settle_amount(row, line)
    if not readable:
        return "invalid_amount"
    if line.exclude:
        return "line_excluded_by_user"
    if line.bill != "billable":
        return BILLED.get(line.bill, "unknown_bill_type")
    if reason := _billed_otherwise(row, line, own):
        return reason
    if row.factor is None:
        return "unknown_cycle"
    is_decided = row.word is not None and row.word.kind == PRODUCT
    item = row.owner
    first = first_day(item.agreement)
    if not is_decided and is_single_cycle(line, row.cycle, item.agreement, first, item.edition):
        return "single_cycle"
    return "line_invalid_dates" if line.has_unreadable_date or row.until <= row.first else None


def _billed_otherwise(row: Row, line: Line, own: Cycle | None) -> str | None:
    """Why a line is not billed again and again: by itself, or by what was said of its product."""
    said = choice_of(row.owner.words, row.owner.agreement.account, PRODUCT, line.product)
    one_time, usage = line.one_time, line.usage
    if said is not None and one_time is not False:  # False: someone decided about the line itself
        row.word = said
        usage = said.meaning == "usage"
        one_time = bool(one_time) if usage else said.meaning == "one_time"
    if one_time or (own and own.name in {ONE_TIME, NOT_RECURRING}):
        return "one_time"
    return "usage" if usage else None


def _settle_amount(row: Row, line: Line) -> bool:
    """Amount per cycle of a line without a history; False if a number it needs can't be read."""
    quantity, price, included = line.quantity, line.unit_price, line.less_included
    if quantity is None or price is None or not (quantity.is_finite() and price.is_finite()):
        return False
    if included:
        if quantity < 0:
            row.warnings.append("less_included_ignored")
        elif not included.is_finite():
            return False
        elif included < 0:
            row.warnings.append("negative_less_included")
        else:
            quantity = max(EXACTLY.subtract(quantity, included), NOTHING)
    row.amount = product(quantity, price)
    return row.amount is not None


def _settle_history(row: Row, line: Line) -> bool:
    """Cut the unit history into days that don't overlap; the later row owns a shared day."""
    kept = [unit for unit in line.units or () if not ends_before_it_starts(unit)]
    kept.sort(key=unit_start)
    row.history = []
    for position, unit in enumerate(kept):
        amount = unit_amount(unit, line)
        if amount is None:
            row.history = None
            return False
        until = unit.end_date.toordinal() + 1 if unit.end_date else NEVER
        if position + 1 < len(kept):
            until = min(until, unit_start(kept[position + 1]))
        row.history.append((unit_start(unit), until, amount))
    return True


def _stretches(row: Row) -> Iterable[Stretch]:
    """The days on which the row counts, with its rate: what all figures are sums of."""
    owner = row.owner
    if owner.settled or row.settled or owner.agreement.incomplete or row.factor is None:
        return
    first, until = max(owner.first, row.first), min(owner.stops, row.until)
    pieces = [(EVER, NEVER, row.amount)] if row.history is None else row.history
    for begins, ends, amount in pieces:
        a, b = max(first, begins), min(until, ends)
        if a < b and amount:
            yield a, b, Fraction(amount) * row.factor


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
