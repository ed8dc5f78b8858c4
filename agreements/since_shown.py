"""What is different in a company's figure from the last time that a person saw it, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from agreements import mrr
from agreements.as_known import Known, known_books, newest_version
from agreements.change_words import brought_text, came_or_went, difference_text, without_repeats
from agreements.known.differences import Bringer, Change, Window, changes_between
from agreements.known.rows import row_states
from agreements.mrr.figures import merged
from audit_site.tenants.models import Tenant
from companies.models import Company

#: So many rows are told; of more only how many they are.
MOST_ROWS: Final = 50
NOTHING: Final = Fraction(0)


class Shown(NamedTuple):
    """A look at a figure: when it was, and since when that was known which it showed.

    `version`: None = that was not noted, and is taken to be all that was known at that moment.
    """

    at: datetime
    version: datetime | None

    @property
    def known(self) -> datetime:
        """The moment at which what was shown, and no more, was known."""
        return self.version or self.at


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A row of which something else is known, or that began or ended since by its dates."""

    row_id: str
    label: str
    what: str
    before: str | None
    after: str | None
    by: Bringer
    tenant: Tenant
    currencies: tuple[str, str] = ("", "")

    @property
    def sentence(self) -> str:
        """`price of Managed Firewall USD 100.00 → 3,100.00 (read 29 Nov 02:10)`."""
        return f"{self._said}{brought_text(self.by, self.tenant)}"

    @property
    def _said(self) -> str:
        if self.what == "row":
            return came_or_went(self.label, self.before, self.after)
        return difference_text(self.what, self.label, self.before, self.after, self.currencies)


@dataclass(frozen=True, slots=True)
class MoneyDifference:
    """By how much a figure differs in a currency."""

    currency: str
    exact: Fraction

    @property
    def amount(self) -> str:
        """`+1,000.00`."""
        text = mrr.money_text(self.currency, abs(self.exact))
        whole, point, places = text.partition(".")
        return f"{'-' if self.exact < 0 else '+'}{int(whole):,}{point}{places}"


@dataclass(frozen=True, slots=True)
class Differences:
    """What is different from what was shown: in money, and row by row.

    `known_at` and `as_of` are the moment and the day that show it again.
    """

    since: datetime
    known_at: datetime
    as_of: date
    totals: list[MoneyDifference]
    rows: list[RowDifference]

    @property
    def query(self) -> str:
        """What was shown, as an address names it."""
        known = self.known_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return urlencode({"as_of": self.as_of.isoformat(), "known": known})

    @property
    def shown_rows(self) -> list[RowDifference]:
        return self.rows[:MOST_ROWS]

    @property
    def more_rows(self) -> int:
        return max(len(self.rows) - MOST_ROWS, 0)


def differences_since(company: Company, before: Shown, now: Shown) -> Differences | None:
    """What is different in what is shown now from what was shown before; None = nothing."""
    tenant = company.tenant
    is_same_book = now.known <= before.known
    if is_same_book and tenant.today(before.at) == tenant.today(now.at):
        return None  # nothing has to be worked out
    former, current = (
        known_books(tenant, shown.known, company.pk, with_shown=False) for shown in (before, now)
    )
    then, today = _day(former, before, tenant), _day(current, now, tenant)
    window = Window(before.known, now.known)
    changes = changes_between(tenant, former.books, current.books, then, window)
    rows = [_of_change(change, tenant) for change in without_repeats(changes)]
    if then != today:
        rows += _by_dates(current, then, today, tenant)
    totals = _totals(former, then, current, today)
    if not rows and not totals:
        return None
    return Differences(before.at, _moment_of(company, before), then, totals, rows)


def _day(known: Known, shown: Shown, tenant: Tenant) -> date:
    """The day that it was at a look, in the time zone of what it showed."""
    return next((book.today(shown.at) for book in known.books.values()), tenant.today(shown.at))


def _moment_of(company: Company, shown: Shown) -> datetime:
    """The moment of the look, or of the version where another one had come unseen by then."""
    is_all = shown.version in {None, newest_version(company, shown.at)}
    return shown.at if is_all else shown.known


def _of_change(change: Change, tenant: Tenant) -> RowDifference:
    return RowDifference(
        *(change.row_id, change.label, _called(change), change.before, change.after, change.by),
        tenant,
        change.currencies_said,
    )


def _called(change: Change) -> str:
    return "row" if change.field == "row" else change.called


def _by_dates(after: Known, then: date, today: date, tenant: Tenant) -> Iterable[RowDifference]:
    """Rows that bring something else since days have passed."""
    for book in after.books.values():
        former, current = (row_states(book.prepared, day) for day in (then, today))
        for key, state in current.items():
            a, b = former[key].exact, state.exact
            if a != b:
                old, new = (mrr.money_text(state.currency, amount) for amount in (a, b))
                what = "MRR by its dates"
                said = (state.currency, state.currency)
                yield RowDifference(key[1], state.label, what, old, new, Bringer(), tenant, said)


def _totals(before: Known, then: date, after: Known, today: date) -> list[MoneyDifference]:
    old, new = _by_currency(before, then), _by_currency(after, today)
    found = {name: new.get(name, NOTHING) - old.get(name, NOTHING) for name in {*old, *new}}
    return [MoneyDifference(name, found[name]) for name in sorted(found) if found[name]]


def _by_currency(known: Known, on: date) -> dict[str, Fraction]:
    figures: list[Any] = merged(part.engine.mrr(part.book, on) for part in known.parts)
    return {figure.currency: figure.exact for figure in figures}
