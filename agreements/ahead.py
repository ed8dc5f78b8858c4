"""The months to come as far as they are signed: what starts, ends and changes in each, by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Final
from uuid import UUID

from agreements import books, mrr
from agreements.models import AgreementMrr
from agreements.mrr.cycles import add_months
from agreements.mrr.figures import row_name
from agreements.mrr.prepared import Row
from audit_site.tenants.models import Tenant
from companies.models import Company

MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class ChangeAhead:
    """A row whose MRR is another one at the end of a month than at its beginning.

    `day` is the first on which it is; `name` says what row it is.
    """

    company_id: str
    name: str
    day: date
    currency: str
    before: Fraction
    after: Fraction

    @property
    def kind(self) -> str:
        if not self.before:
            return "starts"
        return "changes" if self.after else "ends"

    @property
    def difference(self) -> Fraction:
        return self.after - self.before

    @property
    def texts(self) -> dict[str, str]:
        return {
            "before": mrr.money_text(self.currency, self.before),
            "after": mrr.money_text(self.currency, self.after),
            "amount": mrr.money_text(self.currency, self.difference),
        }


@dataclass(frozen=True, slots=True)
class MonthAhead:
    """A month, the first one from today on: what changes in it, and what is left at its end."""

    month: date
    currency: str
    changes: list[ChangeAhead]
    closing: Fraction

    @property
    def last_day(self) -> date:
        return add_months(self.month, 1) - timedelta(days=1)

    @property
    def amount(self) -> str:
        """What is in force on its last day."""
        return mrr.money_text(self.currency, self.closing)

    @property
    def difference(self) -> str:
        return mrr.money_text(self.currency, self._sum(self.changes))

    @property
    def sums(self) -> dict[str, str]:
        """By kind of change, what its rows come to together; what there is none of is missing."""
        found = {}
        for kind in ("starts", "ends", "changes"):
            if of_kind := [change for change in self.changes if change.kind == kind]:
                found[kind] = mrr.money_text(self.currency, self._sum(of_kind))
        return found

    @staticmethod
    def _sum(changes: Iterable[ChangeAhead]) -> Fraction:
        return sum((change.difference for change in changes), Fraction(0))


def months_ahead(tenant: Tenant, currency: str, today_exact: Fraction) -> list[MonthAhead]:
    """The rest of this month and the eleven after it, in one currency; no renewal is assumed that
    nobody has decided. `today_exact` is what is in force today.

    Only the books of companies are read in which anything changes until then.
    """
    today = tenant.today()
    first = today.replace(day=1)
    last = add_months(first, MONTHS) - timedelta(days=1)
    found: dict[date, list[ChangeAhead]] = {add_months(first, n): [] for n in range(MONTHS)}
    for prepared in _books(tenant, today, last):
        for item in prepared:
            if item.currency != currency:
                continue
            for change in _changes(item, today, [*found]):
                found[change.day.replace(day=1)].append(change)
    months, closing = [], today_exact
    for month, changes in found.items():
        closing += MonthAhead._sum(changes)
        months.append(MonthAhead(month, currency, sorted(changes, key=_soonest), closing))
    return months


def _soonest(change: ChangeAhead) -> tuple[date, Fraction, str]:
    return change.day, -abs(change.difference), change.name


def _books(tenant: Tenant, today: date, last: date) -> Iterable[list[mrr.Prepared]]:
    """The books of active companies of which an agreement changes by itself until that day."""
    rows = AgreementMrr.objects.for_tenant(tenant).filter(
        next_change__range=(today, last), company__status=Company.Status.ACTIVE
    )
    ids: set[UUID] = {*rows.values_list("company_id", flat=True)}
    if not ids:
        return ()
    return books.prepare_by_company({str(pk): tenant for pk in ids}, {tenant.pk: today}).values()


def _changes(item: mrr.Prepared, today: date, months: list[date]) -> Iterator[ChangeAhead]:
    """What changes of an agreement's rows in each of these months, from today on."""
    for row in item.rows:
        days = sorted({day for begins, until, _ in row.stretches for day in (begins, until)})
        level_before = _rate(row, today)
        for month in months:
            last = add_months(month, 1) - timedelta(days=1)
            level = _rate(row, last)
            if level != level_before:
                after = max(today, month - timedelta(days=1)).toordinal()
                day = next(day for day in days if after < day <= last.toordinal())
                yield ChangeAhead(
                    item.agreement.company_id,
                    row_name(item, row),
                    date.fromordinal(day),
                    item.currency,
                    level_before,
                    level,
                )
            level_before = level


def _rate(row: Row, day: date) -> Fraction:
    ordinal = day.toordinal()
    rates = (rate for begins, until, rate in row.stretches if begins <= ordinal < until)
    return sum(rates, Fraction(0))
