"""The figures: run-rate on a day, earned by month, averages, and the bridge between two days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from agreements.mrr.cycles import months_on
from agreements.mrr.money import money_text
from agreements.mrr.prepared import Prepared, Row

Amounts = dict[str, Fraction]


@dataclass(frozen=True, slots=True)
class Figure:
    """An exact amount in a currency, and the text it is shown as."""

    currency: str
    exact: Fraction

    @property
    def amount(self) -> str:
        return money_text(self.currency, self.exact)


def mrr(book: Iterable[Prepared], on: date) -> list[Figure]:
    """Run-rate as of a day, by currency; a currency appears when a row of it counts."""
    day = on.toordinal()
    sums: Amounts = {}
    for item in book:
        count, exact = item.counted(day)
        if count:
            sums[item.currency] = sums.get(item.currency, Fraction(0)) + exact
    return figures_of(sums)


def recognized(book: Iterable[Prepared], month: date) -> list[Figure]:
    """What a calendar month earns: each day in force earns one day's share of the rate."""
    return series(book, month, 1)[0]


def series(book: Iterable[Prepared], first: date, months: int) -> list[list[Figure]]:
    """What each of so many calendar months earns, in one pass over the book.

    A currency appears in a month when a row counts on some day of it.
    """
    calendar = Months(first, months)
    of_currency: dict[str, _Earned] = {}
    for item in book:
        for row in item.rows:
            for begins, until, rate in row.stretches:
                held = calendar.held(begins, until)
                if held is None:
                    continue
                if item.currency not in of_currency:
                    of_currency[item.currency] = _Earned(months)
                of_currency[item.currency].add(held, rate)
    sums: list[Amounts] = [{} for _ in range(months)]
    for currency, earned in of_currency.items():
        for position, amount in earned.by_month():
            sums[position][currency] = amount
    return [figures_of(amounts) for amounts in sums]


class Months:
    """A run of calendar months as ordinals."""

    def __init__(self, first: date, months: int) -> None:
        self._first = first.year * 12 + first.month - 1
        start = first.replace(day=1)
        self._edges = [months_on(start, offset) for offset in range(months + 1)]

    def held(self, begins: int, until: int) -> tuple[int, Share, int, Share] | None:
        """The first and last month that a stretch meets, each with its share held; None = none."""
        begins, until = max(begins, self._edges[0]), min(until, self._edges[-1])
        if begins >= until:
            return None
        first, last = self._position(begins), self._position(until - 1)
        if first == last:
            return first, self._share(first, until - begins), last, (0, 1)
        return (
            first,
            self._share(first, self._edges[first + 1] - begins),
            last,
            self._share(last, until - self._edges[last]),
        )

    def months_held(self, begins: int, until: int) -> Fraction:
        """How many months a stretch makes up, each day for its share of its month."""
        held = self.held(begins, until)
        if held is None:
            return Fraction(0)
        first, share, last, last_share = held
        return Fraction(*share) + max(last - first - 1, 0) + Fraction(*last_share)

    def _position(self, day: int) -> int:
        on = date.fromordinal(day)
        return on.year * 12 + on.month - 1 - self._first

    def _share(self, position: int, days: int) -> Share:
        return days, self._edges[position + 1] - self._edges[position]


Share = tuple[int, int]


class _Earned:
    """What the months of one currency earn, as differences from month to month."""

    def __init__(self, months: int) -> None:
        self._steps = [Fraction(0)] * (months + 1)
        self._parts = [Fraction(0)] * months
        self._counting = [0] * (months + 1)

    def add(self, held: tuple[int, Share, int, Share], rate: Fraction) -> None:
        first, (days, of_days), last, (last_days, of_last_days) = held
        self._counting[first] += 1
        self._counting[last + 1] -= 1
        whole_from, whole_until = first, last + 1
        if days != of_days:
            self._parts[first] += rate * days / of_days
            whole_from += 1
        if last > first and last_days != of_last_days:
            self._parts[last] += rate * last_days / of_last_days
            whole_until -= 1
        if whole_from < whole_until:
            self._steps[whole_from] += rate
            self._steps[whole_until] -= rate

    def by_month(self) -> Iterable[tuple[int, Fraction]]:
        level, counting = Fraction(0), 0
        for position, part in enumerate(self._parts):
            level += self._steps[position]
            counting += self._counting[position]
            if counting:
                yield position, level + part


def figures_of(sums: Amounts) -> list[Figure]:
    return [Figure(currency, sums[currency]) for currency in sorted(sums)]


def merged(parts: Iterable[list[Figure]]) -> list[Figure]:
    """The figures of several books together, by currency."""
    sums: Amounts = {}
    for figures in parts:
        for figure in figures:
            sums[figure.currency] = sums.get(figure.currency, Fraction(0)) + figure.exact
    return figures_of(sums)


CLASSES = ("new", "reactivation", "expansion", "contraction", "churn")


@dataclass(frozen=True, slots=True)
class CompanyMovement:
    """How one company's MRR moved; `rows` = (row id, before, after) where a row's MRR differs."""

    company_id: str
    kind: str
    exact: Fraction
    rows: list[tuple[str, Fraction, Fraction]]


@dataclass(frozen=True, slots=True)
class Movement:
    """The bridge of one currency: opening + the classes = closing, exactly."""

    currency: str
    opening: Fraction
    closing: Fraction
    classes: dict[str, Fraction]
    companies: list[CompanyMovement]

    @property
    def parts(self) -> dict[str, Figure]:
        """What it is printed as, in order: opening, each class, closing."""
        parts = {"opening": self.opening, **self.classes, "closing": self.closing}
        return {name: Figure(self.currency, exact) for name, exact in parts.items()}

    @property
    def rounding_difference(self) -> str:
        """By how much the printed closing misses the sum of what is printed before it."""
        *others, closing = (Fraction(part.amount) for part in self.parts.values())
        return money_text(self.currency, closing - sum(others, Fraction(0)))


def movement(book: Iterable[Prepared], start: date, end: date) -> list[Movement]:
    """The bridge from the MRR of one day to that of a later one, by currency."""
    groups: dict[str, dict[str, list[Prepared]]] = defaultdict(lambda: defaultdict(list))
    for item in book:
        if item.rows:
            groups[item.currency][item.agreement.company_id].append(item)
    bridges = []
    for currency in sorted(groups):
        moved = [
            _moved(company_id, items, start.toordinal(), end.toordinal())
            for company_id, items in sorted(groups[currency].items())
        ]
        companies = [company for _, _, company in moved if company is not None]
        bridge = Movement(
            currency,
            opening=sum((before for before, _, _ in moved), Fraction(0)),
            closing=sum((after for _, after, _ in moved), Fraction(0)),
            classes={
                kind: sum((c.exact for c in companies if c.kind == kind), Fraction(0))
                for kind in CLASSES
            },
            companies=companies,
        )
        if companies or _counts_on_either_day(groups[currency].values(), start, end):
            bridges.append(bridge)
    return bridges


def merged_movements(parts: Iterable[list[Movement]]) -> list[Movement]:
    """The bridges of several books of other companies together, by currency."""
    by_currency: dict[str, list[Movement]] = defaultdict(list)
    for bridges in parts:
        for bridge in bridges:
            by_currency[bridge.currency].append(bridge)
    return [
        Movement(
            currency,
            opening=sum((b.opening for b in bridges), Fraction(0)),
            closing=sum((b.closing for b in bridges), Fraction(0)),
            classes={
                kind: sum((b.classes[kind] for b in bridges), Fraction(0)) for kind in CLASSES
            },
            companies=sorted((c for b in bridges for c in b.companies), key=_company_of),
        )
        for currency, bridges in sorted(by_currency.items())
    ]


def _company_of(moved: CompanyMovement) -> str:
    return moved.company_id


def _counts_on_either_day(groups: Iterable[list[Prepared]], start: date, end: date) -> bool:
    days = (start.toordinal(), end.toordinal())
    rows = (row for items in groups for item in items for row in item.rows)
    return any(row.counts(day) for row in rows for day in days)


def _moved(
    company_id: str, items: list[Prepared], start: int, end: int
) -> tuple[Fraction, Fraction, CompanyMovement | None]:
    rows = [row for item in items for row in item.rows]
    pairs = [(row, row.mrr(start), row.mrr(end)) for row in rows]
    before = sum((a for _, a, _ in pairs), Fraction(0))
    after = sum((b for _, _, b in pairs), Fraction(0))
    if before == after:
        return before, after, None
    if before <= 0 < after:
        kind = "reactivation" if _was_above_zero(items, start) else "new"
    elif before > 0 >= after:
        kind = "churn"
    else:
        kind = "expansion" if after > before else "contraction"
    changed = [
        (row_id(item, row.line.id if row.line else None), a, b)
        for item in items
        for row, a, b in pairs
        if row.owner is item and a != b
    ]
    return before, after, CompanyMovement(company_id, kind, after - before, changed)


def _was_above_zero(items: list[Prepared], before: int) -> bool:
    """Whether the company's MRR was above zero on any day before: a sweep over its stretches."""
    steps: dict[int, Fraction] = defaultdict(Fraction)
    for item in items:
        for row in item.rows:
            for begins, until, rate in row.stretches:
                steps[begins] += rate
                steps[until] -= rate
    level = Fraction(0)
    for day in sorted(steps):
        if day >= before:
            break
        level += steps[day]
        if level > 0:
            return True
    return False


def row_id(item: Prepared, line_id: str | None) -> str:
    """`<source>:<id>:flat` or `<source>:<id>:line:<line id>`."""
    agreement = item.agreement
    part = "flat" if line_id is None else f"line:{line_id}"
    return f"{agreement.source}:{agreement.id}:{part}"


def row_name(item: Prepared, row: Row) -> str:
    """What a person calls a row: its product and its agreement, as far as they have names."""
    agreement = item.agreement.name or item.agreement.id
    if row.line is None:
        return agreement
    return f"{row.line.product or f'line {row.line.id}'} of {agreement}"
