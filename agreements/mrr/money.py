"""Rounding, once, when a figure leaves the engine: half up, ties away from zero."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation
from fractions import Fraction
from typing import Final

_DIGITS: Final = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}

#: Decimals are exact as long as no digit is dropped: one that would be is an error.
EXACTLY = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, InvalidOperation])


def minor_digits(currency: str) -> int:
    """How many decimal places an ISO 4217 currency has."""
    return _DIGITS.get(currency, 2)


def minor_units(currency: str, amount: Fraction) -> int:
    """Round to whole units of the currency's smallest coin; minus zero is zero."""
    scaled, parts = amount.numerator * 10 ** minor_digits(currency), amount.denominator
    units: int = (2 * abs(scaled) + parts) // (2 * parts)
    return -units if scaled < 0 else units


def round_money(currency: str, amount: Fraction) -> Decimal:
    """Round to the currency's minor unit, however many digits that takes."""
    return Decimal(f"{minor_units(currency, amount)}e-{minor_digits(currency)}")


#: No price or quantity has more digits, and none is larger or smaller than ten to this.
MOST_DIGITS: Final = 60
MOST_MAGNITUDE: Final = 30


def is_within_reason(number: Decimal) -> bool:
    """Whether it can be counted with: NaN can't, and exact sums with 1e5000 take for ever."""
    if not number.is_finite() or abs(number.adjusted()) > MOST_MAGNITUDE:
        return False
    return len(number.as_tuple().digits) <= MOST_DIGITS


def money_text(currency: str, amount: Fraction | Decimal) -> str:
    """An amount as text with as many places as its currency has."""
    rounded = round_money(currency, Fraction(amount))
    return f"{rounded:.{minor_digits(currency)}f}"


def exact_text(amount: Fraction) -> str:
    """`n/d` in lowest terms."""
    return f"{amount.numerator}/{amount.denominator}"


def sum_of_exact(texts: Iterable[str]) -> Fraction:
    """The sum of many `n/d`: those with the same denominator are added as whole numbers."""
    sums: dict[str, int] = {}
    for text in texts:
        numerator, _, denominator = text.partition("/")
        sums[denominator] = sums.get(denominator, 0) + int(numerator)
    parts = (Fraction(numerator, int(below or 1)) for below, numerator in sums.items())
    return sum(parts, Fraction(0))


def plain_text(amount: Fraction) -> str:
    """A number for a formula: as a decimal where it ends, else to ten places."""
    places = _places(amount.denominator)
    shown = Decimal(round(amount * 10**places)).scaleb(-places, EXACTLY)
    return f"{shown.normalize(EXACTLY):f}" if shown else "0"


def _places(denominator: int) -> int:
    """After how many decimal places a fraction ends; ten for one that never does."""
    rest, powers = denominator, []
    for prime in (2, 5):
        power = 0
        while rest % prime == 0:
            rest, power = rest // prime, power + 1
        powers.append(power)
    return max(powers) if rest == 1 else 10
