"""What pages, REST and commands read of agreements and MRR."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TypedDict
from uuid import UUID

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils.dateformat import format as date_text

from agreements import books, mrr
from agreements.models import Agreement, AgreementMrr, ChoiceRecord, CompanyBook, CompanyMrr
from agreements.mrr import AgreementSummary, LedgerRow
from agreements.mrr.dates import read_date
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.services.linking import link_of

#: Rises when the engine or what is shown of it changes: figures that clients keep are then stale.
EDITION = 2
MOST_MONTHS = 120
#: Dates that a figure can be asked for: what the calendar arithmetic can go beyond by years.
EARLIEST, LATEST = date(1950, 1, 1), date(2200, 12, 31)


def day_of(text: str) -> date | None:
    """A day that a figure can be asked for, written as 2026-06-15; None for anything else."""
    try:
        day = read_date(text)
    except ValueError:
        return None
    return day if EARLIEST <= day <= LATEST else None


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
    """An agreement with what it comes to on the as-of day."""

    agreement: Agreement
    summary: AgreementSummary
    sentence: str
    is_recurring: bool

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
    sentences = {
        entry.agreement_ref.pk: entry.sentence for entry in reversed(entries) if not entry.included
    }
    return CompanyFigure(
        as_of=on,
        totals=_totals(prepared, on),
        agreements=[_agreement_row(item, on, sentences) for item in prepared if item.is_own],
        ledger=entries,
        book=prepared,
    )


def _agreement_row(item: mrr.Prepared, on: date, sentences: dict[UUID, str]) -> AgreementRow:
    summary = mrr.summary(item, on)
    sentence = "" if summary.reason is None else sentences.get(summary.ref.pk, "")
    return AgreementRow(summary.ref, summary, sentence, item.is_recurring)


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


# By month, and from one day to another


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


# From what is stored: the tenant's book at a glance


@dataclass(frozen=True, slots=True)
class Share:
    """A company, integration or so with its MRR and its part of the whole, in percent.

    `is_disconnected`: an integration that no sync reads any more.
    """

    id: str
    name: str
    money: Money
    percent: float
    is_disconnected: bool = False


@dataclass(frozen=True, slots=True)
class CurrencyBook:
    """All active companies in one currency: the sum, the largest, and how much hangs on them."""

    currency: str
    amount: str
    companies: int
    largest: list[Share]
    top_percent: float
    by_source: list[Share]


def currency_books(tenant: Tenant, largest: int = 10) -> list[CurrencyBook]:
    """Concentration and sources by currency, from what is stored; a constant number of queries."""
    active = CompanyMrr.objects.for_tenant(tenant).filter(company__status=Company.Status.ACTIVE)
    sums: dict[str, list[Fraction]] = defaultdict(list)
    for currency, exact in active.values_list("currency", "exact"):
        sums[currency].append(Fraction(exact))
    sources = _by_source(tenant)
    found = []
    for currency in sorted(sums):
        total = sum(sums[currency], Fraction(0))
        of_currency = active.filter(currency=currency).select_related("company")
        rows = list(of_currency.order_by("-minor", "company__name")[:largest])
        top = [
            _share(str(row.company_id), row.company.name, currency, Fraction(row.exact), total)
            for row in rows
        ]
        found.append(
            CurrencyBook(
                currency,
                mrr.money_text(currency, total),
                len(sums[currency]),
                top,
                _percent(sum((Fraction(row.exact) for row in rows), Fraction(0)), total),
                [
                    replace(
                        _share("", name, currency, amount, total),
                        is_disconnected=is_disconnected,
                    )
                    for (name, is_disconnected), amount in sorted(
                        sources[currency].items(), key=lambda source: -source[1]
                    )
                ],
            )
        )
    return found


def _by_source(tenant: Tenant) -> dict[str, dict[tuple[str, bool], Fraction]]:
    """By currency: what the agreements of each integration come to, and is it disconnected."""
    counted = AgreementMrr.objects.for_tenant(tenant).filter(
        included=True, company__status=Company.Status.ACTIVE
    )
    integration = "agreement__integration"
    columns = ("currency", "exact", f"{integration}__name", f"{integration}__disconnected_at")
    found: dict[str, dict[tuple[str, bool], Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for currency, exact, name, disconnected_at in counted.values_list(*columns):
        found[currency][name, disconnected_at is not None] += Fraction(exact)
    return found


def _share(id_: str, name: str, currency: str, amount: Fraction, total: Fraction) -> Share:
    money: Money = {"currency": currency, "amount": mrr.money_text(currency, amount)}
    return Share(id_, name, money, _percent(amount, total))


def _percent(amount: Fraction, total: Fraction) -> float:
    return float(round(100 * amount / total, 1)) if total > 0 else 0.0


def ending_soon(tenant: Tenant, within_days: int) -> QuerySet[AgreementMrr]:
    """Agreements that count today and whose last day comes within so many days, soonest first."""
    today = tenant.today()
    return (
        AgreementMrr.objects.for_tenant(tenant)
        .filter(
            included=True,
            last_day__range=(today, today + timedelta(days=within_days)),
            company__status=Company.Status.ACTIVE,
        )
        .select_related("agreement", "company")
        .order_by("last_day", "company__name", "id")
    )


def with_mrr(rows: QuerySet[Company], tenant: Tenant, currency: str = "") -> QuerySet[Company]:
    """Companies with `mrr_minor`, their stored MRR in a currency's minor units (none = 0)."""
    stored = CompanyMrr.objects.for_tenant(tenant).filter(
        company=OuterRef("pk"), currency=currency or tenant.currency
    )
    return rows.annotate(mrr_minor=Coalesce(Subquery(stored.values("minor")[:1]), Value(0)))


# What clients may keep


def company_etag(company: Company, *parts: object) -> str:
    """A text that changes whenever a company's figures do; one query, nothing computed."""
    book = CompanyBook.objects.for_tenant(company.tenant).filter(company=company).first()
    link = link_of(company)
    source = (link.pk, link.integration_id, link.last_synced_at) if link else ()
    version = book.version if book else 0
    return _etag(company.tenant, version, company.updated_at, *source, *parts)


def tenant_etag(tenant: Tenant, *parts: object) -> str:
    """A text that changes whenever the tenant's figures do; two queries, nothing computed."""
    versions = CompanyBook.objects.for_tenant(tenant).aggregate(Count("id"), Sum("version"))
    archived = Company.objects.for_tenant(tenant).filter(status=Company.Status.ARCHIVED)
    left_out = archived.order_by("id").values_list("id", flat=True)  # and no clock, which may lag
    return _etag(tenant, *versions.values(), *left_out, *parts)


def _etag(tenant: Tenant, *parts: object) -> str:
    shown = (EDITION, tenant.pk, tenant.currency, tenant.today(), *parts)
    return ":".join(map(str, shown))


def choice_history(
    tenant: Tenant, agreements: Sequence[Agreement]
) -> dict[UUID, list[ChoiceRecord]]:
    """What people decided about these agreements and their lines, newest first."""
    found: dict[UUID, list[ChoiceRecord]] = defaultdict(list)
    rows = ChoiceRecord.objects.for_tenant(tenant).filter(
        agreement__in=[row.pk for row in agreements]
    )
    for record in rows.order_by("-at", "-id"):
        found[record.line_id or record.agreement_id].append(record)
    return found


@dataclass(frozen=True, slots=True)
class Replacement:
    """Somebody decided that one agreement replaces another: `record` says who, when and why."""

    newer: Agreement
    older: Agreement
    record: ChoiceRecord

    @property
    def newer_label(self) -> str:
        return label_of(self.newer)

    @property
    def older_label(self) -> str:
        return label_of(self.older)


def replacements(
    agreements: Sequence[Agreement], history: Mapping[UUID, Sequence[ChoiceRecord]]
) -> list[Replacement]:
    """Which of these agreements replace which, as decided by people; no query.

    `history` is that of `choice_history`.
    """
    by_id = {str(row.pk): row for row in agreements}
    found = []
    for newer in agreements:
        records = history.get(newer.pk, ())
        chosen = records[0].after.get("renews") if records else None
        older = by_id.get(chosen or "")
        if older is not None:
            deciding = (row for row in records if row.before.get("renews") != chosen)
            found.append(Replacement(newer, older, next(deciding, records[-1])))
    return found


def label_of(agreement: Agreement) -> str:
    """An agreement among others of its name: `Gold (id 4100, 1 Jan 2026 to no end)`."""
    start, end = agreement.start_date, None if agreement.no_end else agreement.end_date
    begins = date_text(start, "j M Y") if start else "no start"
    ends = date_text(end, "j M Y") if end else "no end"
    return f"{agreement} (id {agreement.external_id}, {begins} to {ends})"
