"""MRR of a company and of the tenant, as of a day."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TypedDict
from uuid import UUID

from django.db.models import Q

from agreements import books, mrr
from agreements.models import Agreement, AgreementMrr, CompanyBook, CompanyMrr
from agreements.mrr import AgreementSummary, LedgerRow
from agreements.mrr.awaited import AwaitedWord
from audit_site.tenants.models import Tenant
from companies.models import Company

MOST_MONTHS = 120


class Money(TypedDict):
    currency: str
    amount: str


class Average(TypedDict):
    trailing12: str
    forward12: str


class Total(Money):
    average: Average


class Month(TypedDict):
    month: str
    recognized: list[Money]


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """An agreement with what it comes to on the as-of day.

    Of one that does not count, `sentence` says why and `awaited` is the word that it waits for.
    """

    agreement: Agreement
    summary: AgreementSummary
    sentence: str
    is_recurring: bool
    awaited: AwaitedWord | None = None

    @property
    def money(self) -> Money:
        return {"currency": self.summary.currency, "amount": self.summary.mrr}


@dataclass(frozen=True, slots=True)
class CompanyFigure:
    """A company's MRR as of a day, with everything that explains it."""

    as_of: date
    totals: list[Total]
    agreements: list[AgreementRow]
    ledger: list[LedgerRow]
    book: list[mrr.Prepared]

    @property
    def counted(self) -> list[LedgerRow]:
        return [row for row in self.ledger if row.included and row.kind != "rounding"]

    @property
    def left_out(self) -> list[LedgerRow]:
        return [row for row in self.ledger if not row.included]

    @property
    def rounding(self) -> list[LedgerRow]:
        return [row for row in self.ledger if row.kind == "rounding"]


def company_figure(company: Company, as_of: date | None = None) -> CompanyFigure:
    """Compute one company's MRR with its ledger; as many queries whatever the number of lines."""
    on = as_of or company.tenant.today()
    prepared = books.prepare_company(company.tenant, company.pk)
    entries = mrr.ledger(prepared, on)
    left_out = {entry.agreement_ref.pk: entry for entry in reversed(entries) if not entry.included}
    return CompanyFigure(
        as_of=on,
        totals=_totals(prepared, on),
        agreements=[_agreement_row(item, on, left_out) for item in prepared if item.is_own],
        ledger=entries,
        book=prepared,
    )


def _agreement_row(item: mrr.Prepared, on: date, left_out: dict[UUID, LedgerRow]) -> AgreementRow:
    summary = mrr.summary(item, on)
    entry = None if summary.reason is None else left_out.get(summary.ref.pk)
    if entry is None:
        return AgreementRow(summary.ref, summary, "", item.is_recurring)
    return AgreementRow(summary.ref, summary, entry.sentence, item.is_recurring, entry.awaited)


def company_totals(
    tenant: Tenant, company_ids: Collection[UUID], as_of: date | None = None
) -> dict[UUID, list[Money]]:
    """MRR by currency of several companies at once, as of today from what is stored.

    Another day is computed, and so is a company whose stored figure a new day has overtaken.
    """
    today = tenant.today()
    stale = set(company_ids)
    found: dict[UUID, list[Money]] = {company_id: [] for company_id in company_ids}
    if as_of in {None, today}:
        fresh = CompanyBook.objects.for_tenant(tenant).filter(
            Q(next_change=None) | Q(next_change__gt=today),
            company__in=company_ids,
            computed_on__lte=today,
        )
        stale -= set(fresh.values_list("company", flat=True))
        for row in CompanyMrr.objects.for_tenant(tenant).filter(
            company__in=[pk for pk in company_ids if pk not in stale]
        ):
            found[row.company_id].append(stored_money(row))
        for amounts in found.values():
            amounts.sort(key=lambda money: money["currency"])
    return found | (_computed_totals(tenant, stale, as_of or today) if stale else {})


def stored_money(row: CompanyMrr | AgreementMrr) -> Money:
    return {"currency": row.currency, "amount": mrr.money_text(row.currency, Fraction(row.exact))}


def _computed_totals(
    tenant: Tenant, company_ids: Collection[UUID], on: date
) -> dict[UUID, list[Money]]:
    found: dict[UUID, list[Money]] = {company_id: [] for company_id in company_ids}
    owners = dict.fromkeys(map(str, company_ids), tenant)
    for company_id, prepared in books.prepare_by_company(owners, {tenant.pk: on}).items():
        found[UUID(company_id)] = [
            {"currency": figure.currency, "amount": figure.amount}
            for figure in mrr.mrr(prepared, on)
        ]
    return found


@dataclass(frozen=True, slots=True)
class TenantFigure:
    as_of: date
    totals: list[Total]
    companies: int


def tenant_book(
    tenant: Tenant, *, company_id: UUID | None = None, integration_id: UUID | None = None
) -> list[mrr.Prepared]:
    """The settled book of all active companies, of one company, or of one integration's."""
    rows = books.agreements_of(tenant)
    if company_id is not None:
        rows = rows.filter(company=company_id)
    else:
        rows = rows.filter(company__status=Company.Status.ACTIVE)
    if integration_id is not None:
        rows = rows.filter(integration=integration_id)
    return books.prepare_all(tenant, rows)


def tenant_figure(
    tenant: Tenant, as_of: date | None = None, integration_id: UUID | None = None
) -> TenantFigure:
    """MRR of all active companies of a tenant (or of one integration's), and how many count."""
    on = as_of or tenant.today()
    prepared = tenant_book(tenant, integration_id=integration_id)
    day = on.toordinal()
    counting = {item.agreement.company_id for item in prepared if item.counted(day)[0]}
    return TenantFigure(on, _totals(prepared, on), len(counting))


def totals_on(prepared: list[mrr.Prepared], on: date) -> list[Total]:
    """Totals of a settled book with both averages."""
    return _totals(prepared, on)


def _totals(prepared: list[mrr.Prepared], on: date) -> list[Total]:
    """Totals with both averages; a currency appears when a row of it counts on the day."""
    now = {figure.currency: figure.amount for figure in mrr.mrr(prepared, on)}
    windows = {
        name: {figure.currency: figure.amount for figure in found}
        for name, found in mrr.averages(prepared, on).items()
    }
    totals: list[Total] = []
    for currency, amount in now.items():
        nothing = mrr.money_text(currency, Decimal(0))
        average: Average = {
            "trailing12": windows["trailing12"].get(currency, nothing),
            "forward12": windows["forward12"].get(currency, nothing),
        }
        totals.append({"currency": currency, "amount": amount, "average": average})
    return totals


def recognized_by_month(book: list[mrr.Prepared], first: date, months: int) -> list[Month]:
    """What each calendar month earns, by currency."""
    found: list[Month] = []
    for offset, figures in enumerate(mrr.series(book, first, months)):
        year, month = divmod(first.year * 12 + first.month - 1 + offset, 12)
        found.append(
            {
                "month": f"{year:04d}-{month + 1:02d}",
                "recognized": [{"currency": f.currency, "amount": f.amount} for f in figures],
            }
        )
    return found
