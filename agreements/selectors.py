"""From stored agreements to figures: builds the engine's book out of rows, in two reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypedDict
from uuid import UUID

from django.db.models import QuerySet

from agreements import mrr
from agreements.models import Agreement, AgreementLine
from agreements.mrr import AgreementSummary, LedgerRow
from agreements.mrr.cycles import is_blank
from agreements.mrr.questions import number
from audit_site.tenants.models import Tenant
from companies.models import Company

ONE_DAY = timedelta(days=1)


class Money(TypedDict):
    currency: str
    amount: str


class Average(TypedDict):
    trailing12: str
    forward12: str


class Total(Money):
    average: Average


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """An agreement with what it comes to on the as-of day."""

    agreement: Agreement
    summary: AgreementSummary
    sentence: str

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
    """Compute one company's MRR with its ledger."""
    on = as_of or company.tenant.today()
    rows = list(_agreements(company.tenant).filter(company=company))
    prepared = _prepare(company.tenant, rows)
    entries = mrr.ledger(prepared, on)
    sentences = {
        entry.agreement_id: entry.sentence for entry in reversed(entries) if not entry.included
    }
    return CompanyFigure(
        as_of=on,
        totals=_totals(prepared, on),
        agreements=[
            AgreementRow(summary.ref, summary, _sentence(summary, sentences))
            for summary in mrr.summaries(prepared, on)
        ],
        ledger=entries,
    )


def _sentence(summary: AgreementSummary, sentences: dict[str | None, str]) -> str:
    return "" if summary.reason is None else sentences.get(summary.agreement_id, "")


def company_totals(
    tenant: Tenant, company_ids: Collection[UUID], as_of: date | None = None
) -> dict[UUID, list[Money]]:
    """MRR by currency of several companies at once; a constant number of queries."""
    on = as_of or tenant.today()
    by_company: dict[UUID, list[Agreement]] = defaultdict(list)
    rows = list(_agreements(tenant).filter(company_id__in=company_ids))
    for row in rows:
        by_company[row.company_id].append(row)
    lines = _lines_of(tenant, rows)
    return {
        company_id: [
            {"currency": figure.currency, "amount": figure.amount}
            for figure in mrr.mrr(_prepare(tenant, by_company[company_id], lines), on)
        ]
        for company_id in company_ids
    }


@dataclass(frozen=True, slots=True)
class TenantFigure:
    as_of: date
    totals: list[Total]
    companies: int


def tenant_figure(
    tenant: Tenant, as_of: date | None = None, integration_id: UUID | None = None
) -> TenantFigure:
    """MRR of all active companies of a tenant (or of one integration's), and how many count."""
    on = as_of or tenant.today()
    chosen = _agreements(tenant).filter(company__status=Company.Status.ACTIVE)
    if integration_id is not None:
        chosen = chosen.filter(integration=integration_id)
    rows = list(chosen)
    prepared = _prepare(tenant, rows)
    day = on.toordinal()
    counting = {
        item.agreement.company_id for item in prepared if any(row.counts(day) for row in item.rows)
    }
    return TenantFigure(on, _totals(prepared, on), len(counting))


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


# Building the book


def _agreements(tenant: Tenant) -> QuerySet[Agreement]:
    return Agreement.objects.for_tenant(tenant).order_by("id")


def _lines_of(tenant: Tenant, rows: Iterable[Agreement]) -> dict[UUID, list[AgreementLine]]:
    found: dict[UUID, list[AgreementLine]] = defaultdict(list)
    ids = [row.pk for row in rows]
    for line in AgreementLine.objects.for_tenant(tenant).filter(agreement__in=ids):
        found[line.agreement_id].append(line)
    for lines in found.values():
        lines.sort(key=lambda line: (line.position, line.pk))
    return found


def _prepare(
    tenant: Tenant,
    rows: list[Agreement],
    lines: dict[UUID, list[AgreementLine]] | None = None,
) -> list[mrr.Prepared]:
    lines = _lines_of(tenant, rows) if lines is None else lines
    agreements = [_agreement(row, lines.get(row.pk, []), tenant) for row in rows]
    agreements += [_context(row, tenant) for row in _parents_elsewhere(tenant, rows)]
    return mrr.prepare(mrr.Book(agreements, tenant.currency))


def _parents_elsewhere(tenant: Tenant, rows: list[Agreement]) -> list[Agreement]:
    """Parents that belong to another company; most books have none, and then nothing is read."""
    known = {(row.integration_id, row.external_id) for row in rows}
    wanted = {
        (row.integration_id, row.parent_external_id) for row in rows if row.parent_external_id
    } - known
    if not wanted:
        return []
    found = _agreements(tenant).filter(
        integration__in={integration for integration, _ in wanted},
        external_id__in={external_id for _, external_id in wanted},
    )
    return [row for row in found if (row.integration_id, row.external_id) in wanted]


def _context(row: Agreement, tenant: Tenant) -> mrr.Agreement:
    agreement = _agreement(row, [], tenant)
    agreement.is_context = True
    return agreement


def _agreement(row: Agreement, lines: list[AgreementLine], tenant: Tenant) -> mrr.Agreement:
    cancelled, cancelled_date = row.cancelled, row.cancelled_date
    if row.gone_at is not None:  # out of MRR from the day on which it was found gone
        last_day = tenant.today(row.gone_at) - ONE_DAY
        if cancelled is not False and cancelled_date is not None:
            last_day = min(last_day, cancelled_date)
        cancelled, cancelled_date = True, last_day
    return mrr.Agreement(
        source=row.source,
        id=row.external_id,
        company_id=str(row.company_id),
        name=row.name,
        currency=row.currency,
        start_date=row.start_date,
        end_date=row.end_date,
        no_end=row.no_end,
        cancelled=cancelled,
        cancelled_date=cancelled_date,
        recurring=row.recurring,
        active=row.active,
        cycle=None if is_blank(row.cycle) else row.cycle,
        amount=row.amount,
        parent_id=row.parent_external_id,
        renews_id=row.renews_external_id,
        incomplete=row.incomplete,
        lines=[_line(line, tenant) for line in lines],
        ref=row,
    )


def _line(row: AgreementLine, tenant: Tenant) -> mrr.Line:
    end_date = row.end_date
    if row.gone_at is not None:
        last_day = tenant.today(row.gone_at) - ONE_DAY
        end_date = min(end_date, last_day) if end_date else last_day
    return mrr.Line(
        id=row.external_id,
        kind=row.kind,
        quantity=row.quantity,
        unit_price=row.unit_price,
        less_included=row.less_included,
        bill=row.bill,
        start_date=row.start_date,
        end_date=end_date,
        cycle=None if is_blank(row.cycle) else row.cycle,
        product=row.product,
        one_time=False if row.gone_at and row.one_time is None else row.one_time,
        units=None if row.units is None else [_units(unit) for unit in row.units],
        ref=row,
    )


def _units(raw: dict[str, Any]) -> mrr.Units:
    return mrr.Units(
        start_date=date.fromisoformat(raw["start_date"]),
        end_date=date.fromisoformat(raw["end_date"]) if raw.get("end_date") else None,
        units=number(raw.get("units")),
        unit_price=number(raw.get("unit_price")),
        amount=number(raw.get("amount")),
    )
