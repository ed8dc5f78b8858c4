"""Charts as plain numbers for SVG templates: bars by month, and a waterfall between two days.

Geometry is in whole pixels of a fixed drawing, worked out exactly; amounts are never floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from itertools import count
from math import ceil, floor
from typing import Final

from agreements import mrr
from agreements.figures import Part
from agreements.mrr.cycles import add_months
from agreements.mrr.figures import CLASSES, merged
from agreements.mrr.money import plain_text
from agreements.restated import RestatedMovement

#: A bridge between two days, as known now or at two moments.
AnyMovement = mrr.Movement | RestatedMovement

WIDTH: Final = 720
HEIGHT: Final = 220
TOP: Final = 24
BOTTOM: Final = 30
PLOT: Final = HEIGHT - TOP - BOTTOM
#: Left of the bars by month, for the amounts of their axis.
GUTTER: Final = 72
#: An axis has at most so many lines besides zero.
MOST_TICKS: Final = 4

CLASS_TITLES: Final = {
    "restated": "Restated",
    "new": "New",
    "reactivation": "Back again",
    "expansion": "Expansion",
    "contraction": "Contraction",
    "churn": "Churn",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with its label and amount; `kind` is its CSS class."""

    label: str
    amount: str
    kind: str
    x: int
    y: int
    width: int
    height: int

    @property
    def middle(self) -> int:
        return max(self.x + self.width // 2, 22)  # the first label must not be cut off

    @property
    def told(self) -> int:
        """Where what is told of it stands, so that none of it is cut off."""
        return min(max(self.middle, 90), WIDTH - 70)

    @property
    def above(self) -> int:
        return max(self.y - 5, 12)


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line across some bars: an average. `kind` is its CSS class."""

    kind: str
    label: str
    amount: str
    x1: int
    x2: int
    y: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the axis with its round amount."""

    amount: str
    y: int


@dataclass(frozen=True, slots=True)
class Chart:
    """`left` is where the bars begin, right of the amounts of `ticks`."""

    currency: str
    title: str
    bars: list[Bar]
    levels: list[Level] = field(default_factory=list)
    ticks: list[Tick] = field(default_factory=list)
    left: int = 0
    zero: int = HEIGHT - BOTTOM
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def baseline(self) -> int:
        """Where labels stand."""
        return HEIGHT - 8


class _Scale:
    """From amounts to pixels: the largest and the smallest amount, and zero, are in sight."""

    def __init__(self, amounts: Sequence[Fraction]) -> None:
        self._top = max([*amounts, Fraction(0)])
        self._bottom = min([*amounts, Fraction(0)])
        self._span = self._top - self._bottom or Fraction(1)

    def y(self, amount: Fraction) -> int:
        return TOP + int((self._top - amount) * PLOT / self._span)

    def ticks(self) -> list[Tick]:
        """Round amounts in sight, 1, 2 or 5 times a power of ten apart; zero is drawn anyway."""
        step = next(
            Fraction(factor) * Fraction(10) ** power
            for power in count(_magnitude(self._span / MOST_TICKS))
            for factor in (1, 2, 5)
            if self._span <= MOST_TICKS * factor * Fraction(10) ** power
        )
        numbers = range(ceil(self._bottom / step), floor(self._top / step) + 1)
        return [
            Tick(plain_text(number * step), self.y(number * step)) for number in numbers if number
        ]


def _magnitude(amount: Fraction) -> int:
    """The power of ten that an amount above zero reaches."""
    power = len(str(floor(amount))) - 1
    while Fraction(10) ** power > amount:
        power -= 1
    return power


def by_month(parts: Sequence[Part], on: date) -> list[Chart]:
    """Recognized by month, twelve before the as-of month and twelve from it, with both averages."""
    first = add_months(on.replace(day=1), -12)
    earned = [part.engine.series(part.book, first, 24) for part in parts]
    months = [
        {figure.currency: figure.exact for figure in merged(one[month] for one in earned)}
        for month in range(24)
    ]
    charts = []
    for currency in sorted({currency for month in months for currency in month}):
        amounts = [month.get(currency, Fraction(0)) for month in months]
        scale = _Scale(amounts)
        step = (WIDTH - GUTTER) // 24
        bars = []
        for position, amount in enumerate(amounts):
            month = add_months(first, position)
            y, zero = scale.y(max(amount, Fraction(0))), scale.y(min(amount, Fraction(0)))
            bars.append(
                Bar(
                    f"{month:%b %Y}",
                    mrr.money_text(currency, amount),
                    "past" if position < 12 else "ahead",
                    GUTTER + position * step + 3,
                    y,
                    step - 6,
                    max(zero - y, 1),
                )
            )
        levels = [
            Level(
                kind,
                label,
                mrr.money_text(currency, mean := sum(part, Fraction(0)) / 12),
                GUTTER + start * step,
                GUTTER + (start + 12) * step,
                scale.y(mean),
            )
            for kind, label, start, part in (
                ("past", "Trailing average", 0, amounts[:12]),
                ("ahead", "Forward average", 12, amounts[12:]),
            )
        ]
        charts.append(
            Chart(
                currency, "Recognized by month", bars, levels,
                ticks=scale.ticks(), left=GUTTER, zero=scale.y(Fraction(0)),
            )
        )  # fmt: skip
    return charts


def steps_of(bridge: AnyMovement) -> dict[str, Fraction]:
    """What lies between opening and closing, in order."""
    restated = {"restated": bridge.restated} if isinstance(bridge, RestatedMovement) else {}
    return {**restated, **{kind: bridge.classes[kind] for kind in CLASSES}}


def difference_of(movement: Chart) -> str:
    """By how much the last bar of a waterfall differs from the first, as both are printed."""
    opening, *_, closing = (Fraction(bar.amount) for bar in movement.bars)
    return mrr.money_text(movement.currency, closing - opening)


def waterfall(bridges: Sequence[AnyMovement]) -> list[Chart]:
    """From the opening MRR over each class of movement to the closing one, by currency."""
    charts = []
    for bridge in bridges:
        steps = [(CLASS_TITLES[kind], amount, kind) for kind, amount in steps_of(bridge).items()]
        levels, level = [bridge.opening], bridge.opening
        for _, amount, _ in steps:
            level += amount
            levels.append(level)
        scale = _Scale([*levels, bridge.closing])
        width = WIDTH // (len(steps) + 2)
        spans = [("Opening", bridge.opening, "total", Fraction(0), bridge.opening)]
        for (label, amount, kind), before, after in zip(steps, levels, levels[1:], strict=False):
            spans.append((label, amount, kind, before, after))
        spans.append(("Closing", bridge.closing, "total", Fraction(0), bridge.closing))
        bars = [
            Bar(
                label,
                mrr.money_text(bridge.currency, amount),
                kind,
                position * width + 10,
                scale.y(max(low, high)),
                width - 20,
                max(scale.y(min(low, high)) - scale.y(max(low, high)), 1),
            )
            for position, (label, amount, kind, low, high) in enumerate(spans)
        ]
        charts.append(Chart(bridge.currency, "Movement", bars, zero=scale.y(Fraction(0))))
    return charts
