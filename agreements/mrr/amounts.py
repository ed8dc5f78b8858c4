"""What a line or a stretch of its unit history comes to per cycle, exactly."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow, Subnormal

from agreements.mrr.book import Line, Number, Units
from agreements.mrr.dates import EVER

NOTHING, ONE = Decimal(0), Decimal(1)
#: What an amount may be. Beyond it, a number is a slip, and exact sums with it would take for ever.
WITHIN_REASON = Context(
    prec=120, Emax=120, Emin=-120, traps=[Inexact, InvalidOperation, Overflow, Subnormal]
)


def ends_before_it_starts(unit: Units) -> bool:
    return bool(unit.start_date and unit.end_date and unit.end_date < unit.start_date)


def unit_start(unit: Units) -> int:
    return unit.start_date.toordinal() if unit.start_date else EVER


def unit_amount(unit: Units, line: Line) -> Decimal | None:
    if unit.amount is not None:
        return exact(unit.amount)
    count = exact(unit.units)
    price = exact(line.unit_price if unit.unit_price is None else unit.unit_price)
    return None if count is None or price is None else product(count, price)


def product(count: Decimal, price: Decimal) -> Decimal | None:
    """Both multiplied, exactly; None if that is beyond reason."""
    try:
        return WITHIN_REASON.multiply(count, price)
    except ArithmeticError:
        return None


def exact(number: Number) -> Decimal | None:
    """The number as it is; None if there is none, or it is beyond reason."""
    return None if number is None or not number.is_finite() else product(number, ONE)
