"""MRR of a company and of the tenant, as of a day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple, TypedDict
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from agreements import books, mrr, stored_mrr
from agreements.known.reading import KnownBook, books_at
from agreements.models import Agreement
from agreements.mrr import AgreementSummary, LedgerRow
from agreements.mrr.awaited import AwaitedWord
from agreements.mrr.figures import merged, merged_movements
from audit_site.db.bulk import AnyOf, AskedMany
from audit_site.db.statements import RowStatement, asked_day, asked_id
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
class Part:
    """A settled book, and the engine that settled it."""

    book: list[Any]
    engine: Any = mrr


def parts_of(known: Iterable[KnownBook]) -> list[Part]:
    """Kept books together, those of each edition of the rules by its own engine."""
    found: dict[int, Part] = {}
    for book in known:
        part = found.setdefault(book.rules.edition, Part([], book.rules.engine))
        part.book.extend(book.prepared)
    return [found[edition] for edition in sorted(found)]


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
    """A company's MRR as of a day, with everything that explains it.

    `known_at`: as it was known at that moment, None = now; `known_from`: since when it was.
    `engine` settled the book.
    """

    as_of: date
    totals: list[Total]
    agreements: list[AgreementRow]
    ledger: list[LedgerRow]
    book: list[mrr.Prepared]
    known_at: datetime | None = None
    known_from: datetime | None = None
    engine: Any = mrr

    @property
    def part(self) -> Part:
        return Part(self.book, self.engine)

    @property
    def is_known(self) -> bool:
        """Whether anything was known of the company at that moment."""
        return self.known_at is None or self.known_from is not None

    @property
    def counted(self) -> list[LedgerRow]:
        return [row for row in self.ledger if row.included and row.kind != "rounding"]

    @property
    def left_out(self) -> list[LedgerRow]:
        return [row for row in self.ledger if not row.included]

    @property
    def rounding(self) -> list[LedgerRow]:
        return [row for row in self.ledger if row.kind == "rounding"]


def company_figure(
    company: Company, as_of: date | None = None, *, is_fresh: bool = False
) -> CompanyFigure:
    """Compute one company's MRR with its ledger; as many queries whatever the number of lines.

    `is_fresh`: what is stored of it was just brought up to date.
    """
    if not is_fresh:
        stored_mrr.refresh_stale(company.tenant, [company.pk])
    on = as_of or company.tenant.today()
    return figure_of_book(Part(books.prepare_company(company.tenant, company.pk)), on)


def figure_of_book(part: Part, on: date) -> CompanyFigure:
    """A company's MRR with its ledger, from its settled book."""
    entries = part.engine.ledger(part.book, on)
    left_out = first_left_out(entries)
    own = [item for item in part.book if item.is_own]
    return CompanyFigure(
        as_of=on,
        totals=totals_of([part], on),
        agreements=[agreement_row(item, part.engine.summary(item, on), left_out) for item in own],
        ledger=entries,
        book=part.book,
        engine=part.engine,
    )


def first_left_out(entries: Sequence[LedgerRow]) -> dict[UUID, LedgerRow]:
    """By agreement, the first of its rows that does not count."""
    return {entry.agreement_ref.pk: entry for entry in reversed(entries) if not entry.included}


def agreement_row(
    item: mrr.Prepared, summary: AgreementSummary, left_out: dict[UUID, LedgerRow]
) -> AgreementRow:
    """An agreement with what it comes to; its `ref` is its instance."""
    entry = None if summary.reason is None else left_out.get(summary.ref.pk)
    if entry is None:
        return AgreementRow(summary.ref, summary, "", item.is_recurring)
    return AgreementRow(summary.ref, summary, entry.sentence, item.is_recurring, entry.awaited)


class _Fresh(NamedTuple):
    company_id: UUID
    currency: str | None
    exact: str


def _fresh() -> QuerySet[Company, Any]:
    today = asked_day(2)
    is_ahead = Q(book__next_change=None) | Q(book__next_change__gt=today)
    agreements = Agreement.objects.filter(tenant=OuterRef("tenant"), company=OuterRef("pk"))
    return Company.objects.filter(
        is_ahead & Q(book__computed_on__lte=today) | Q(book=None) & ~Exists(agreements),
        AnyOf("id", AskedMany(1)),
        tenant=asked_id(0),
    ).values_list("id", "stored_mrr__currency", "stored_mrr__exact")


#: What is stored of companies that no new day has overtaken. No currency: nothing counts.
FRESH: Final = RowStatement(_Fresh, _fresh)


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
        for company_id, currency, exact in FRESH.rows(tenant.pk, company_ids, today):
            stale.discard(company_id)
            if currency is not None:
                amount = mrr.money_text(currency, Fraction(exact))
                found[company_id].append({"currency": currency, "amount": amount})
        for amounts in found.values():
            amounts.sort(key=lambda money: money["currency"])
    if stale:
        stored_mrr.refresh_stale(tenant, stale)
    return found | (_computed_totals(tenant, stale, as_of or today) if stale else {})


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
    """`known_at`: as it was known at that moment, None = now; `is_known`: if anything was."""

    as_of: date
    totals: list[Total]
    companies: int
    known_at: datetime | None = None
    is_known: bool = True


def tenant_parts(
    tenant: Tenant, *, company_id: UUID | None = None, integration_id: UUID | None = None
) -> list[Part]:
    """The settled books of all active companies, of one company, or of one integration's.

    All together by the rules of today, but for books that wait for the clock: these are answered as
    they are kept, by their own rules, so that no request works out all of them.
    """
    late = stored_mrr.refresh_for_reader(tenant, company_id).kept
    rows = books.agreements_of(tenant)
    if company_id is not None:
        rows = rows.filter(company=company_id)
    else:
        rows = rows.filter(company__status=Company.Status.ACTIVE)
    if integration_id is not None:
        rows = rows.filter(integration=integration_id)
    if not late:
        return [Part(books.prepare_all(tenant, rows))]
    kept = parts_of(_kept_books(tenant, late))
    if integration_id is not None:
        account = str(integration_id)
        for part in kept:
            part.book[:] = [item for item in part.book if item.agreement.account == account]
    return [Part(books.prepare_all(tenant, rows.exclude(AnyOf("company_id", late)))), *kept]


def _kept_books(tenant: Tenant, company_ids: Collection[UUID]) -> Iterable[KnownBook]:
    """The newest kept books of those of these companies that are active. Two statements."""
    companies = Company.objects.for_tenant(tenant).filter(status=Company.Status.ACTIVE)
    active = companies.filter(AnyOf("id", company_ids)).values_list("id", flat=True)
    return books_at(tenant, None, list(active), with_shown=False).values()


def tenant_figure(
    tenant: Tenant,
    as_of: date | None = None,
    integration_id: UUID | None = None,
    state: stored_mrr.State | None = None,
) -> TenantFigure:
    """MRR of all active companies of a tenant (or of one integration's), and how many count.

    As of today from what is stored, unless books wait for the clock. `state`: as it was just read.
    """
    today = tenant.today()
    on = as_of or today
    if on == today and integration_id is None:
        state = state or stored_mrr.settled_state(tenant)
        if state.holds(today):
            return TenantFigure(on, [stored_total(row) for row in state.totals], state.companies)
    return computed_figure(tenant, on, integration_id)


def computed_figure(tenant: Tenant, on: date, integration_id: UUID | None = None) -> TenantFigure:
    """The same, worked out from all books."""
    parts = tenant_parts(tenant, integration_id=integration_id)
    day = on.toordinal()
    counting = {
        item.agreement.company_id for part in parts for item in part.book if item.counted(day)[0]
    }
    return TenantFigure(on, totals_of(parts, on), len(counting))


def stored_total(row: stored_mrr.StoredTotal) -> Total:
    currency = row["currency"]
    amount, trailing, forward = (
        mrr.money_text(currency, Fraction(row[name])) for name in ("exact", *mrr.WINDOWS)
    )
    average: Average = {"trailing12": trailing, "forward12": forward}
    return {"currency": currency, "amount": amount, "average": average}


def totals_of(parts: Sequence[Part], on: date) -> list[Total]:
    """Totals with both averages; a currency appears when a row of it counts on the day."""
    now = _amounts(part.engine.mrr(part.book, on) for part in parts)
    averages = [part.engine.averages(part.book, on) for part in parts]
    windows = {
        name: _amounts(found[name] for found in averages) for name in ("trailing12", "forward12")
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


def _amounts(parts: Iterable[list[mrr.Figure]]) -> dict[str, str]:
    return {figure.currency: figure.amount for figure in merged(parts)}


def months_of(parts: Sequence[Part], first: date, months: int) -> list[Month]:
    """What each calendar month earns in several books together, by currency."""
    found: list[Month] = []
    earned = [part.engine.series(part.book, first, months) for part in parts]
    for offset in range(months):
        figures = merged(one[offset] for one in earned)
        year, month = divmod(first.year * 12 + first.month - 1 + offset, 12)
        found.append(
            {
                "month": f"{year:04d}-{month + 1:02d}",
                "recognized": [{"currency": f.currency, "amount": f.amount} for f in figures],
            }
        )
    return found


def movement_of(parts: Sequence[Part], start: date, end: date) -> list[mrr.Movement]:
    """From day to day, of several books together, by currency."""
    return merged_movements(part.engine.movement(part.book, start, end) for part in parts)
