"""The rows of an agreement, each with what no day changes: section 6 of the definition."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from agreements.mrr.amounts import (
    NOTHING,
    ends_before_it_starts,
    exact,
    product,
    unit_amount,
    unit_start,
)
from agreements.mrr.book import Agreement, Line
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
from agreements.mrr.money import EXACTLY
from agreements.mrr.prepared import Prepared, Row, first_day
from agreements.mrr.single_cycle import is_single_cycle
from agreements.mrr.words import CYCLE, PRODUCT, choice_of, unknown_word

BILLED = {"do_not_bill": "do_not_bill", "no_charge": "no_charge"}


def settle_rows(item: Prepared) -> list[Row]:
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
