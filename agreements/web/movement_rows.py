"""Who is behind each step of a movement: audITees in the whole book, lines in one audITee's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Final

from agreements import mrr
from agreements.change_words import said_changes
from agreements.mrr import CompanyMovement
from agreements.mrr.figures import row_id, row_name
from agreements.restated import RestatedCompany, RestatedMovement
from agreements.web import charts
from agreements.web.charts import AnyMovement
from audit_site.pages.written import money_written
from audit_site.tenants.models import Tenant

#: How many audITees of a step a page names; the CSV has them all.
MOST_MOVERS: Final = 50
#: A company that moved, or of which another figure became known.
Moved = CompanyMovement | RestatedCompany


@dataclass(frozen=True, slots=True)
class Mover:
    """An audITee or a line, and how far it moved; of a line also from what to what, and why."""

    name: str
    amount: str
    company_id: str = ""
    before: str = ""
    after: str = ""
    sentences: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """The movers of one step, the largest first; `more` of them are not shown."""

    title: str
    amount: str
    movers: list[Mover]
    more: int = 0

    @property
    def number(self) -> int:
        return len(self.movers) + self.more


@dataclass(frozen=True, slots=True)
class Step:
    """A row of the movement as a table; the largest step is `STEP_WIDTH` wide."""

    bar: charts.Bar
    part: Part | None
    width: int


@dataclass(frozen=True, slots=True)
class Bridge:
    """A movement in one currency as it is shown."""

    chart: charts.Chart
    parts: list[Part]

    @property
    def steps(self) -> list[Step]:
        """Opening, what moved, closing. A step with nobody behind it is none."""
        by_title = {part.title: part for part in self.parts}
        bars = [bar for bar in self.chart.bars if bar.label in by_title or bar.kind == "total"]
        tallest = max((bar.height for bar in bars if bar.kind != "total"), default=1)
        return [
            Step(bar, by_title.get(bar.label), max(bar.height * STEP_WIDTH // tallest, 1))
            for bar in bars
        ]

    @property
    def nothing(self) -> list[str]:
        """The steps with nobody behind them."""
        titles = {part.title for part in self.parts}
        steps = (bar.label for bar in self.chart.bars if bar.kind != "total")
        return [label.lower() for label in steps if label not in titles]

    @property
    def difference(self) -> str:
        """Closing less opening, as both are printed."""
        return charts.difference_of(self.chart)


#: Row ids with what a page calls these rows.
Rows = Mapping[str, str]
#: So many rows of an audITee say why it moved; the rest is counted.
MOST_REASONS: Final = 3
STEP_WIDTH: Final = 160


def by_company(
    bridges: Sequence[AnyMovement],
    names_of: Callable[[set[str]], Mapping[str, str]],
    rows: Rows | None = None,
) -> list[Bridge]:
    """Each step with its largest audITees; `names_of` is asked once, for all that are shown.

    `rows` says what the rows behind them are called, for the sentence of why.
    """
    steps = [
        {
            kind: sorted(companies_of(bridge, kind), key=_largest_first)
            for kind in charts.steps_of(bridge)
        }
        for bridge in bridges
    ]
    shown = [moved for step in steps for found in step.values() for moved in found[:MOST_MOVERS]]
    names = names_of({moved.company_id for moved in shown})

    def part(
        bridge: AnyMovement, kind: str, found: Sequence[CompanyMovement | RestatedCompany]
    ) -> Part:
        movers = [
            Mover(
                names.get(moved.company_id, ""),
                mrr.money_text(bridge.currency, moved.exact),
                moved.company_id,
                sentences=_reasons(bridge.currency, moved, rows or {}),
            )
            for moved in found[:MOST_MOVERS]
        ]
        return _part(bridge, kind, movers, len(found) - len(movers))

    return [
        Bridge(chart, [part(bridge, kind, found) for kind, found in step.items() if found])
        for chart, bridge, step in zip(charts.waterfall(bridges), bridges, steps, strict=True)
    ]


def names_of_rows(book: Iterable[mrr.Prepared]) -> Rows:
    """What the rows of a book are called, by row id."""
    return {
        row_id(item, row.line.id if row.line else None): row_name(item, row)
        for item in book
        for row in item.rows
    }


def _reasons(currency: str, moved: Moved, rows: Rows) -> list[str]:
    """Which rows moved it, and from what to what, the most first."""
    moves: Sequence[tuple[str, Fraction, Fraction]] = getattr(moved, "rows", ())
    known = [row for row in moves if row[0] in rows]
    known.sort(key=lambda row: (-abs(row[2] - row[1]), row[0]))
    said = [
        f"{rows[row]}: {money_written(mrr.money_text(currency, before))} → "
        f"{money_written(mrr.money_text(currency, after))}"
        for row, before, after in known[:MOST_REASONS]
    ]
    if more := len(known) - len(said):
        said.append(f"and {more} more")
    return said


def by_row(
    bridges: Sequence[AnyMovement], ledger: Iterable[mrr.LedgerRow], tenant: Tenant
) -> list[Bridge]:
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
                *_restated_rows(bridge, tenant),
                *(
                    _part(bridge, moved.kind, [mover(bridge.currency, *row) for row in moved.rows])
                    for moved in bridge.companies
                ),
            ],
        )
        for chart, bridge in zip(charts.waterfall(bridges), bridges, strict=True)
    ]


def company_ids(bridges: Sequence[AnyMovement]) -> set[str]:
    """The companies behind all steps."""
    return {
        moved.company_id
        for bridge in bridges
        for kind in charts.steps_of(bridge)
        for moved in companies_of(bridge, kind)
    }


def _restated_rows(bridge: AnyMovement, tenant: Tenant) -> Iterable[Part]:
    """The rows of which another amount became known, with what did."""
    if not isinstance(bridge, RestatedMovement) or not bridge.restated_companies:
        return
    changes = [change for company in bridge.restated_companies for change in company.changes]
    movers = [
        Mover(row.name, row.amount, before=row.before, after=row.after, sentences=row.sentences)
        for row in said_changes(bridge.currency, changes, tenant)
    ]
    yield _part(bridge, "restated", movers[:MOST_MOVERS], len(movers) - len(movers[:MOST_MOVERS]))


def companies_of(bridge: AnyMovement, kind: str) -> Sequence[Moved]:
    """The companies behind a step."""
    if kind == "restated":
        return bridge.restated_companies if isinstance(bridge, RestatedMovement) else ()
    return [moved for moved in bridge.companies if moved.kind == kind]


def _largest_first(moved: Moved) -> tuple[Fraction, str]:
    return -abs(moved.exact), moved.company_id


def _part(bridge: AnyMovement, kind: str, movers: list[Mover], more: int = 0) -> Part:
    amount = mrr.money_text(bridge.currency, charts.steps_of(bridge)[kind])
    return Part(charts.CLASS_TITLES[kind], amount, movers, more)
