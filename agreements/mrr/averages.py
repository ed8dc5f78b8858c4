"""What an average month brings: of the twelve before a day's month, and of the twelve from it on.

No day of a month changes them: they are sums over the days on which anything counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final

from agreements.mrr.cycles import add_months
from agreements.mrr.figures import Figure, Months, figures_of
from agreements.mrr.money import EXACTLY, exact_text
from agreements.mrr.prepared import Prepared, Stretch, counting_amounts

WINDOWS: Final = ("trailing12", "forward12")
#: By window, what an average month earns.
Means = dict[str, Fraction]
#: The rates of all rows that count on the same days: from the first until before the second.
Rates = dict[tuple[int, int], Fraction]


class AveragedMonths:
    """The twelve calendar months before one, and the twelve from it on."""

    def __init__(self, month: date) -> None:
        self.month = month
        self.first = add_months(month, -12)
        self._windows = {
            name: Months(add_months(month, offset), 12)
            for name, offset in zip(WINDOWS, (-12, 0), strict=True)
        }
        self._shares: dict[tuple[int, int], dict[str, Fraction]] = {}

    def means(self, stretches: Iterable[Stretch]) -> Means:
        """What an average month of each window earns; without a window that nothing meets."""
        sums: Means = {}
        for begins, until, rate in stretches:
            for name, months in self._months_held(begins, until).items():
                sums[name] = sums.get(name, Fraction(0)) + rate * months
        return {name: total / 12 for name, total in sums.items()}

    def _months_held(self, begins: int, until: int) -> dict[str, Fraction]:
        """How many months of each window days make up. Many agreements have the same days."""
        days = (begins, until)
        if days not in self._shares:
            held = {name: one.months_held(*days) for name, one in self._windows.items()}
            self._shares[days] = {name: months for name, months in held.items() if months}
        return self._shares[days]


def averages(book: Iterable[Prepared], on: date) -> dict[str, list[Figure]]:
    """Mean of the twelve months before the as-of month, and of the twelve from it on."""
    months = averaged_months(on)
    means = {
        currency: months.means(stretches)
        for currency, stretches in earning_stretches(book, months.first).items()
    }
    return {
        window: figures_of({c: mean[window] for c, mean in means.items() if window in mean})
        for window in WINDOWS
    }


def earning_stretches(book: Iterable[Prepared], since: date) -> dict[str, list[Stretch]]:
    """The days from a day on of which anything counts, each stretch with the rate of all rows that
    count on just these days, by currency.
    """
    sums: dict[str, Rates] = {}
    for item in book:
        add_earning(sums, item, since.toordinal())
    return {currency: in_order(rates) for currency, rates in sums.items()}


def add_earning(sums: dict[str, Rates], item: Prepared, since: int) -> None:
    """Add an agreement's rates to those of other rows that count on the same days.

    Its rows of one factor are added up as decimals first: one fraction instead of many.
    """
    amounts: dict[tuple[int, int, int], tuple[Decimal, Fraction]] = {}
    for row in item.rows:
        for begins, until, amount in counting_amounts(row):
            if until > since and row.factor is not None:
                key = max(begins, since), until, id(row.factor)
                before = amounts.get(key)
                total = EXACTLY.add(before[0], amount) if before else amount
                amounts[key] = (total, row.factor)
    if not amounts:
        return
    rates = sums.setdefault(item.currency, {})
    for (begins, until, _), (amount, factor) in amounts.items():
        rate = Fraction(amount) * factor
        days = begins, until
        rates[days] = rates[days] + rate if days in rates else rate


def in_order(rates: Rates) -> list[Stretch]:
    return [(begins, until, rates[begins, until]) for begins, until in sorted(rates)]


def averaged_months(on: date) -> AveragedMonths:
    """The months whose averages are shown on a day."""
    return AveragedMonths(on.replace(day=1))


def stretches_text(stretches: Iterable[Stretch]) -> str:
    """Stretches as they are stored: `begins,until,rate` each, with semicolons between."""
    return ";".join(f"{begins},{until},{exact_text(rate)}" for begins, until, rate in stretches)


def read_stretches(text: str, since: date) -> list[Stretch]:
    """Stored stretches, as far as they reach into days from one on."""
    found = []
    for part in text.split(";"):
        begins, until, rate = part.split(",")
        if int(until) > since.toordinal():
            first = max(int(begins), since.toordinal())
            found.append((first, int(until), Fraction(rate)))
    return found
