"""The tenant's MRR at a glance, its charts, and both as CSV."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render

from agreements import stored_mrr
from agreements.figures import months_of
from agreements.mrr.cycles import add_months
from agreements.overview import currency_books, ending_soon
from agreements.to_check import ended_without_renewal, in_doubt, of_active
from agreements.web import charts, exports, movement_rows
from agreements.web.asked_books import movement_as_asked, parts_as_asked
from agreements.web.asked_days import Days
from audit_site import limits
from audit_site.pages.views import PageRequest, find, page, paged, tenant_of
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


@page("GET", section="mrr")
def overview(request: PageRequest) -> HttpResponse:
    """All companies together, from what is stored: sums, concentration, and what ends soon."""
    tenant = tenant_of(request)
    within = request.GET.get("within", "")
    horizon = int(within) if within.isdecimal() and int(within) in HORIZONS else HORIZONS[-1]
    days = _asked_days(request)
    days.show_troubles(request)
    context = {
        "books": currency_books(tenant),
        "to_check": in_doubt(of_active(tenant)).count() + ended_without_renewal(tenant).count(),
        "behind": stored_mrr.count_of_former_rules(tenant),
        "ending": paged(request, ending_soon(tenant, horizon), size=25),
        "within": horizon,
        "horizons": HORIZONS,
        "days": days,
    }
    return render(request, "agreements/overview.html", context)


@page("GET", section="mrr")
def overview_charts(request: PageRequest) -> HttpResponse:
    """The charts, loaded after the page, for they take the whole book; without script a page."""
    tenant = tenant_of(request)
    days = _asked_days(request)
    if refusal := days.refusal():
        return refusal
    bridges = movement_as_asked(tenant, days)
    context = {
        "months": charts.by_month(parts_as_asked(tenant, days), days.as_of),
        "movements": movement_rows.by_company(bridges, lambda ids: _names_of(tenant, ids)),
        "days": days,
        "ended_unread": count_ended_unread(tenant),
        **days.csv_addresses(),
    }
    template = "_charts" if request.htmx else "charts"
    return render(request, f"agreements/{template}.html", context)


def _narrowed(request: PageRequest) -> tuple[Tenant, Company | None]:
    tenant, text = tenant_of(request), request.GET.get("company", "")
    if not text:
        return tenant, None
    try:
        return tenant, find(Company.objects.for_tenant(tenant), UUID(text))
    except ValueError:
        return tenant, find(Company.objects.none(), UUID(int=0))


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
    months = months_of(parts, first, 24)
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
