"""What is different in a company's figure from the last time that a person saw it, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any, Final

from django.utils import timezone

from agreements import mrr
from agreements.as_known import Known, known_books
from agreements.change_words import brought_text, came_or_went, difference_text
from agreements.known.differences import Bringer, Change, Window, changes_between
from agreements.known.rows import row_states
from agreements.models import CompanyBook, FigureShown
from agreements.mrr.figures import merged
from audit_site.tenants.models import Tenant, User
from companies.models import Company

#: Looks that follow each other within this time are one visit.
VISIT: Final = timedelta(minutes=30)
#: A look is written down again after so long.
SOON: Final = timedelta(minutes=1)
#: So many rows are told; of more only how many they are.
MOST_ROWS: Final = 50
NOTHING: Final = Fraction(0)


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
    """What is different since a moment: in money, and row by row."""

    since: datetime
    tenant: Tenant
    totals: list[MoneyDifference]
    rows: list[RowDifference]

    @property
    def known(self) -> str:
        """The moment as an address holds it."""
        return self.since.astimezone(UTC).isoformat().replace("+00:00", "Z")

    @property
    def shown_rows(self) -> list[RowDifference]:
        return self.rows[:MOST_ROWS]

    @property
    def more_rows(self) -> int:
        return max(len(self.rows) - MOST_ROWS, 0)


def note_shown(company: Company, user: User) -> datetime | None:
    """A person sees a company's figure now; when they saw it on their visit before, if ever."""
    now = timezone.now()
    rows = FigureShown.objects.for_tenant(company.tenant).filter(company=company, user=user)
    last = rows.first()
    if last is None:
        FigureShown.objects.get_or_create(
            tenant=company.tenant, company=company, user=user, defaults={"at": now}
        )
        return None
    if now - last.at > VISIT:
        rows.update(at=now, visit_before=last.at)
        return last.at
    if now - last.at > SOON:
        rows.update(at=now)
    return last.visit_before


def differences_since(company: Company, since: datetime) -> Differences | None:
    """What is different now from what was shown at a moment; None = nothing."""
    tenant = company.tenant
    if _is_as_it_was(company, since):
        return None
    before, after = (known_books(tenant, at, company.pk, with_shown=False) for at in (since, None))
    then, today = before.today, after.today
    window = Window(since, after.until)
    changes = changes_between(tenant, before.books, after.books, then, window)
    rows = [_of_change(change, tenant) for change in changes]
    if then != today:
        rows += _by_dates(after, then, today, tenant)
    totals = _totals(before, then, after, today)
    return Differences(since, tenant, totals, rows) if rows or totals else None


def _is_as_it_was(company: Company, since: datetime) -> bool:
    """Whether neither the book nor the day is another one: then nothing has to be worked out."""
    rows = CompanyBook.objects.for_tenant(company.tenant).filter(company=company)
    book = rows.values("kept_from", "computed_on", "next_change").first()
    if book is None:
        return True
    is_marked = book["computed_on"] is None
    is_kept = book["kept_from"] is None or book["kept_from"] <= since
    tenant = company.tenant
    same_day = tenant.today(since) == tenant.today()
    return is_kept and same_day and not is_marked


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
