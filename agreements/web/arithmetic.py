"""How a row's amount comes about, in columns: quantity, price, cycle, a month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from agreements.figures import CompanyFigure
from agreements.mrr import minor_digits, money_text
from agreements.mrr.figures import row_id
from agreements.mrr.ledger import terms_of
from agreements.mrr.money import plain_text
from agreements.mrr.prepared import Row
from audit_site.pages.written import money_written

MONTHS: Final = 12
TIMES: Final = "\u00d7"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """What stands in the columns of a row; "" = nothing does.

    `quantity` is what is charged, and `included` says what of it is free. `factor` turns a cycle
    into a month and is "" where they are the same. `rate` is what the row would bring a month if
    nothing kept it out; "" = that is not known.
    """

    quantity: str = ""
    included: str = ""
    price: str = ""
    cycle: str = ""
    factor: str = ""
    rate: str = ""


NONE: Final = Arithmetic()


def arithmetic_of(figure: CompanyFigure) -> Mapping[str, Arithmetic]:
    """By the ids of the ledger's rows."""
    day = figure.as_of.toordinal()
    return {
        row_id(item, row.line.id if row.line else None): _of_row(row, day)
        for item in figure.book
        for row in item.rows
    }


def _of_row(row: Row, day: int) -> Arithmetic:
    per_cycle, rate, currency = row.per_cycle(day), row.rate(day), row.owner.currency
    if per_cycle is None or rate is None or row.cycle is None or row.factor is None:
        return NONE
    cycle = row.cycle.name.replace("_", " ")
    monthly, factor = money_written(money_text(currency, rate)), factor_written(row.factor)
    terms = terms_of(row)
    if terms is None:
        return Arithmetic("", "", price_written(currency, per_cycle), cycle, factor, monthly)
    included = ""
    if terms.included:
        quantity, free = (money_written(plain_text(n)) for n in (terms.quantity, terms.included))
        included = f"{quantity} less {free} included"
    return Arithmetic(
        money_written(plain_text(terms.billed)),
        included,
        price_written(currency, terms.price),
        cycle,
        factor,
        monthly,
    )


def price_written(currency: str, price: Fraction) -> str:
    """With as many places as the currency has, or all that it has itself: `5,399.40`, `0.0375`."""
    text = plain_text(price)
    if len(text.partition(".")[2]) <= minor_digits(currency):
        text = money_text(currency, price)
    return money_written(text)


def factor_written(factor: Fraction) -> str:
    """`÷ 12`, or times `52/12`; "" = a month is one cycle."""
    if factor == 1:
        return ""
    if factor.numerator == 1:
        return f"÷ {factor.denominator}"
    if MONTHS % factor.denominator == 0 and factor.denominator != 1:
        return f"{TIMES} {factor * MONTHS}/{MONTHS}"
    return f"{TIMES} {factor}"
