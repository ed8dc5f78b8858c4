"""Who is behind each step of a movement: audITees in the whole book, lines in one audITee's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Final

from agreements import mrr
from agreements.mrr.figures import CLASSES
from agreements.web import charts

#: How many audITees of a step a page names; the CSV has them all.
MOST_MOVERS: Final = 50


@dataclass(frozen=True, slots=True)
class Mover:
    """An audITee or a line, and how far it moved; of a line also from what to what."""

    name: str
    amount: str
    company_id: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """The movers of one step, the largest first; `more` of them are not shown."""

    title: str
    amount: str
    movers: list[Mover]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Bridge:
    """A movement in one currency as it is shown."""

    chart: charts.Chart
    parts: list[Part]


def by_company(
    bridges: list[mrr.Movement], names_of: Callable[[set[str]], Mapping[str, str]]
) -> list[Bridge]:
    """Each step with its largest audITees; `names_of` is asked once, for all that are shown."""
    steps = [
        {kind: sorted(_of(bridge, kind), key=_largest_first) for kind in CLASSES}
        for bridge in bridges
    ]
    shown = [moved for step in steps for found in step.values() for moved in found[:MOST_MOVERS]]
    names = names_of({moved.company_id for moved in shown})

    def part(bridge: mrr.Movement, kind: str, found: list[mrr.CompanyMovement]) -> Part:
        movers = [
            Mover(
                names.get(moved.company_id, ""),
                mrr.money_text(bridge.currency, moved.exact),
                moved.company_id,
            )
            for moved in found[:MOST_MOVERS]
        ]
        return _part(bridge, kind, movers, len(found) - len(movers))

    return [
        Bridge(chart, [part(bridge, kind, found) for kind, found in step.items() if found])
        for chart, bridge, step in zip(charts.waterfall(bridges), bridges, steps, strict=True)
    ]


def by_row(bridges: list[mrr.Movement], ledger: Iterable[mrr.LedgerRow]) -> list[Bridge]:
    """One audITee's steps with the rows of its ledger that moved."""
    rows = {row.row_id: row for row in ledger}

    def mover(currency: str, row_id: str, before: Fraction, after: Fraction) -> Mover:
        row, text = rows[row_id], partial(mrr.money_text, currency)
        name = f"{row.line_ref} of {row.agreement_ref}" if row.line_ref else str(row.agreement_ref)
        return Mover(name, text(after - before), before=text(before), after=text(after))

    return [
        Bridge(
            chart,
            [
                _part(bridge, moved.kind, [mover(bridge.currency, *row) for row in moved.rows])
                for moved in bridge.companies
            ],
        )
        for chart, bridge in zip(charts.waterfall(bridges), bridges, strict=True)
    ]


def _of(bridge: mrr.Movement, kind: str) -> list[mrr.CompanyMovement]:
    return [moved for moved in bridge.companies if moved.kind == kind]


def _largest_first(moved: mrr.CompanyMovement) -> tuple[Fraction, str]:
    return -abs(moved.exact), moved.company_id


def _part(bridge: mrr.Movement, kind: str, movers: list[Mover], more: int = 0) -> Part:
    amount = mrr.money_text(bridge.currency, bridge.classes[kind])
    return Part(charts.CLASS_TITLES[kind], amount, movers, more)
