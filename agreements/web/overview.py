"""The tenant's MRR at a glance, its charts, and both as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from django.http import HttpResponse, QueryDict
from django.shortcuts import render

from agreements import stored_mrr
from agreements.ahead import ChangeAhead, MonthAhead, months_ahead
from agreements.figures import Month, Total, months_of, tenant_figure
from agreements.mrr.cycles import add_months
from agreements.overview import currency_book, ending_soon, exact_in, own_first
from agreements.to_check import count_to_check
from agreements.web import charts, exports, movement_rows
from agreements.web.asked_books import movement_as_asked, parts_as_asked
from agreements.web.asked_days import Days
from audit_site import limits
from audit_site.pages.views import PageRequest, find, page, paged, tenant_of
from audit_site.pages.written import money_written
from audit_site.tenants.models import Tenant
from companies.models import Company
from companies.names import names_at
from integrations.runs.selectors import count_ended_unread

#: Lists of agreements that end within so many days.
HORIZONS = (30, 60, 90)


def _asked_days(request: PageRequest) -> Days:
    """The days of a movement; the rest of the page is always as of today."""
    query = request.GET.copy()
    query.pop("as_of", None)
    return Days.of(query, tenant_of(request))


@dataclass(frozen=True, slots=True)
class CurrencyTab:
    """A currency in which anything counts, with its sum and the address of its page."""

    total: Total
    address: str
    is_shown: bool


def _tabs(request: PageRequest, totals: Sequence[Total]) -> list[CurrencyTab]:
    """The currencies, the tenant's own first; the one that the address names is shown."""
    wanted = request.GET.get("currency", "").upper()
    named = {total["currency"] for total in totals}
    shown = wanted if wanted in named else next((total["currency"] for total in totals), "")
    query = request.GET.copy()
    query.pop("page", None)
    tabs = []
    for total in totals:
        query["currency"] = total["currency"]
        address = f"?{query.urlencode()}"
        tabs.append(CurrencyTab(total, address, total["currency"] == shown))
    return tabs


@page("GET", section="mrr")
def overview(request: PageRequest) -> HttpResponse:
    """All companies together, from what is stored, a currency at a time: the sum, who and where it
    hangs on, and what ends soon.
    """
    tenant = tenant_of(request)
    within = request.GET.get("within", "")
    horizon = int(within) if within.isdecimal() and int(within) in HORIZONS else HORIZONS[-1]
    days = _asked_days(request)
    days.show_troubles(request)
    tabs = _tabs(request, own_first(tenant, tenant_figure(tenant).totals))
    shown = next((tab.total for tab in tabs if tab.is_shown), None)
    currency = shown["currency"] if shown else tenant.currency
    context = {
        "tabs": tabs,
        "total": shown,
        "currency": currency,
        "book": currency_book(tenant, currency) if shown else None,
        "to_check": count_to_check(tenant),
        "behind": stored_mrr.count_of_former_rules(tenant),
        "ending": paged(request, ending_soon(tenant, horizon, currency), size=10),
        "within": horizon,
        "horizons": HORIZONS,
        "days": days,
    }
    return render(request, "agreements/overview.html", context)


@page("GET", section="mrr")
def overview_charts(request: PageRequest) -> HttpResponse:
    """Movement, months ahead and charts of one currency, loaded after the page, for they take the
    whole book; without script a page.
    """
    tenant, currency = tenant_of(request), request.GET.get("currency", "").upper()
    days = _asked_days(request)
    if refusal := days.refusal():
        return refusal
    parts = parts_as_asked(tenant, days)
    bridges = movement_as_asked(tenant, days, parts=parts)
    months = charts.by_month(parts, days.as_of)
    currency = currency or _first_currency(tenant, bridges, months)
    rows = movement_rows.names_of_rows(item for part in parts for item in part.book)
    shown = [bridge for bridge in bridges if bridge.currency == currency]
    ahead = days.known_at is None
    context = {
        "currency": currency,
        "months": [chart for chart in months if chart.currency == currency],
        "movements": movement_rows.by_company(shown, lambda ids: _names_of(tenant, ids), rows),
        "ahead": _months_ahead(tenant, currency) if ahead else [],
        "days": days,
        "ended_unread": count_ended_unread(tenant),
        **days.csv_addresses(currency=currency),
    }
    template = "_book_charts" if request.htmx else "charts"
    return render(request, f"agreements/{template}.html", context)


@page("GET", section="home")
def difference(request: PageRequest) -> HttpResponse:
    """What the MRR of each currency became since the end of last month: a part of Home, loaded
    after it, for it takes the whole book; without script a page.
    """
    tenant = tenant_of(request)
    days = Days.of(QueryDict(), tenant)
    drawn = charts.waterfall(movement_as_asked(tenant, days))
    differences = [Difference(chart.currency, charts.difference_of(chart)) for chart in drawn]
    differences.sort(key=lambda one: one.currency != tenant.currency)
    template = "_difference_of_all" if request.htmx else "difference"
    changed = [one for one in differences if Fraction(one.difference)]
    context = {"changed": changed, "currencies": len(differences), "days": days}
    return render(request, f"agreements/{template}.html", context)


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much the MRR of a currency differs between two days, as both are printed."""

    currency: str
    difference: str


def _first_currency(
    tenant: Tenant, bridges: Sequence[charts.AnyMovement], months: Sequence[charts.Chart]
) -> str:
    """The tenant's own where anything is in it, else the first."""
    found = [*dict.fromkeys(item.currency for item in (*bridges, *months))]
    return tenant.currency if tenant.currency in found or not found else found[0]


@dataclass(frozen=True, slots=True)
class ShownChange:
    """A change ahead with its audITee's name and its sentence."""

    change: ChangeAhead
    name: str

    @property
    def sentence(self) -> str:
        change, texts = self.change, self.change.texts
        said = f"{change.name} {change.kind} on {change.day:%-d %b %Y}"
        if change.kind != "changes":
            return said
        return f"{said}: {money_written(texts['before'])} → {money_written(texts['after'])}"


@dataclass(frozen=True, slots=True)
class ShownMonth:
    """A month ahead with its first changes; `more` are not shown."""

    ahead: MonthAhead
    changes: list[ShownChange]

    @property
    def more(self) -> int:
        return len(self.ahead.changes) - len(self.changes)


def _months_ahead(tenant: Tenant, currency: str) -> list[ShownMonth]:
    months = months_ahead(tenant, currency, exact_in(tenant, currency))
    first = [month.changes[: movement_rows.MOST_MOVERS] for month in months]
    names = _names_of(tenant, {change.company_id for changes in first for change in changes})
    return [
        ShownMonth(month, [ShownChange(one, names.get(one.company_id, "")) for one in changes])
        for month, changes in zip(months, first, strict=True)
    ]


@page("GET", section="mrr")
def ahead_csv(request: PageRequest) -> HttpResponse:
    """What starts, ends and changes in the twelve months ahead as CSV, row by row."""
    tenant = tenant_of(request)
    limits.spend(tenant, limits.EXPORTS)
    currency = request.GET.get("currency", "").upper() or tenant.currency
    months = months_ahead(tenant, currency, exact_in(tenant, currency))
    names = _names_of(tenant, {change.company_id for one in months for change in one.changes})
    exports.record_export(request, what="months ahead", as_of=tenant.today())
    return exports.ahead_csv(months, names, tenant.today())


def _narrowed(request: PageRequest) -> tuple[Tenant, Company | None]:
    tenant, text = tenant_of(request), request.GET.get("company", "")
    if not text:
        return tenant, None
    try:
        return tenant, find(Company.objects.for_tenant(tenant), UUID(text))
    except ValueError:
        return tenant, find(Company.objects.none(), UUID(int=0))


def _in_currency(request: PageRequest, months: list[Month]) -> list[Month]:
    """Without other currencies than the one that the address names; it may name none."""
    currency = request.GET.get("currency", "").upper()
    if not currency:
        return months
    return [
        {**month, "recognized": [row for row in month["recognized"] if row["currency"] == currency]}
        for month in months
    ]


@page("GET", section="mrr")
def series_csv(request: PageRequest) -> HttpResponse:
    """Recognized by month as CSV: twelve months before the as-of month, and twelve from it."""
    tenant, company = _narrowed(request)
    days = Days.of(request.GET, tenant)
    if refusal := days.refusal():
        return refusal
    limits.spend(tenant, limits.EXPORTS)
    days = days.fixed(tenant, company)
    parts = parts_as_asked(tenant, days, company.pk if company else None)
    first = add_months(days.as_of.replace(day=1), -12)
    months = _in_currency(request, months_of(parts, first, 24))
    exports.record_export(
        request,
        what="recognized by month",
        company=company,
        as_of=days.as_of,
        known_at=days.known_at,
    )
    return exports.series_csv(months, days)


@page("GET", section="mrr")
def movement_csv(request: PageRequest) -> HttpResponse:
    """The movement between two days as CSV, company by company."""
    tenant, company = _narrowed(request)
    days = Days.of(request.GET, tenant)
    if refusal := days.refusal():
        return refusal
    limits.spend(tenant, limits.EXPORTS)
    days = days.fixed(tenant, company)
    bridges = movement_as_asked(tenant, days, company.pk if company else None)
    if currency := request.GET.get("currency", "").upper():
        bridges = [bridge for bridge in bridges if bridge.currency == currency]
    ids = movement_rows.company_ids(bridges)
    names = names_at(tenant, ids, days.moment)
    exports.record_export(
        request,
        what="movement",
        company=company,
        start=days.start,
        end=days.end,
        opens_at=days.opens_at,
        known_at=days.known_at,
    )
    return exports.movement_csv(bridges, names, days)


def _names_of(tenant: Tenant, company_ids: set[str]) -> dict[str, str]:
    rows = Company.objects.for_tenant(tenant).filter(pk__in=company_ids)
    return {str(pk): name for pk, name in rows.values_list("pk", "name")}
