"""The sum behind an MRR, what people decide about it, and the tenant's book at a glance."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from agreements import mrr
from agreements.decisions import Replacement, choice_history, choose, label_of, replacements, undo
from agreements.figures import company_figure, recognized_by_month, tenant_book
from agreements.models import Agreement, AgreementLine, ChoiceRecord
from agreements.mrr.cycles import add_months
from agreements.overview import currency_books, ending_soon
from agreements.web import charts, exports, movement_rows
from agreements.web.asked_days import Days
from agreements.web.forms import AgreementChoicesForm, LineChoicesForm
from agreements.web.source_remarks import remarks_on_source
from audit_site.pages.views import PageRequest, find, page, paged, tenant_of
from audit_site.tenants.models import Role, Tenant
from companies.models import Company
from integrations.importing.linking import link_of
from integrations.importing.selectors import companies_with_links
from integrations.runs.selectors import list_sync_runs

#: Lists of agreements that end within so many days.
HORIZONS = (30, 60, 90)


def _company(request: PageRequest, pk: UUID) -> Company:
    return find(companies_with_links(tenant_of(request)).select_related("tenant"), pk)


@page("GET", section="companies")
def company_mrr(request: PageRequest, pk: UUID) -> HttpResponse:
    """A company's MRR as of a day: what counted, what was left out, and why."""
    company = _company(request, pk)
    days = Days.of(request.GET, company.tenant.today())
    days.tell(request)
    figure = company_figure(company, days.as_of)
    agreements = [row.agreement for row in figure.agreements]
    decisions = choice_history(company.tenant, agreements)
    context = {
        "company": company,
        "link": link_of(company),
        "remarks": remarks_on_source(company),
        "figure": figure,
        "decisions": decisions,
        **_replaced(agreements, decisions),
        "months": charts.by_month(figure.book, figure.as_of),
        "movements": movement_rows.by_row(
            mrr.movement(figure.book, days.start, days.end), figure.ledger
        ),
        "days": days,
        "series_address": reverse("agreements:series-csv"),
        "movement_address": reverse("agreements:movement-csv"),
    }
    return render(request, "agreements/mrr.html", context)


def _replaced(agreements: Sequence[Agreement], decisions: Any) -> dict[str, Any]:
    """Which agreement is said to replace which, from either side, and what they are called."""
    replaced_by: dict[UUID, list[Replacement]] = defaultdict(list)
    found = replacements(agreements, decisions)
    for replacement in found:
        replaced_by[replacement.older.pk].append(replacement)
    return {
        "replaced_by": replaced_by,
        "replaces": {replacement.newer.pk: replacement for replacement in found},
        "titles": {str(agreement.pk): label_of(agreement) for agreement in agreements},
    }


@page("GET", section="companies")
def company_ledger(request: PageRequest, pk: UUID) -> HttpResponse:
    """The ledger as CSV."""
    company = _company(request, pk)
    days = Days.of(request.GET, company.tenant.today())
    if refusal := days.refusal():
        return refusal
    figure = company_figure(company, days.as_of)
    return exports.ledger_csv(company, figure)


@page("GET", section="companies")
def company_report(request: PageRequest, pk: UUID) -> HttpResponse:
    """Everything behind a figure in one file, for whoever has to find out what is wrong."""
    company = _company(request, pk)
    days = Days.of(request.GET, company.tenant.today())
    if refusal := days.refusal():
        return refusal
    figure = company_figure(company, days.as_of)
    run = list_sync_runs(company.tenant, company=company.pk).first()
    content = exports.report(company, figure, run)
    response = HttpResponse(
        json.dumps(content, cls=DjangoJSONEncoder, indent=1, ensure_ascii=False),
        content_type="application/json",
    )
    name = f"mrr-report-{company.pk}-{figure.as_of.isoformat()}.json"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


# Decisions


@page("GET", "POST", role=Role.MEMBER, section="companies")
def agreement_choices(request: PageRequest, pk: UUID) -> HttpResponse:
    """Decide about an agreement; the page also shows what was decided before."""
    rows = Agreement.objects.for_tenant(tenant_of(request))
    agreement = find(rows.select_related("tenant", "company", "choices"), pk)
    form = AgreementChoicesForm.of(agreement, request.POST or None)
    if request.method == "POST" and form.is_valid():
        done = choose(
            agreement=agreement,
            actor=request.user,
            changes=form.changes,
            note=form.cleaned_data["note"],
        )
        return _decided(request, agreement, done)
    return _decide(request, agreement, None, form)


@page("GET", "POST", role=Role.MEMBER, section="companies")
def line_choices(request: PageRequest, pk: UUID) -> HttpResponse:
    """Decide about one line of an agreement."""
    rows = AgreementLine.objects.for_tenant(tenant_of(request))
    line = find(rows.select_related("agreement__tenant", "agreement__company", "choices"), pk)
    form = LineChoicesForm(request.POST) if request.method == "POST" else LineChoicesForm.of(line)
    if request.method == "POST" and form.is_valid():
        done = choose(
            agreement=line.agreement,
            line=line,
            actor=request.user,
            changes=form.changes,
            note=form.cleaned_data["note"],
        )
        return _decided(request, line.agreement, done)
    return _decide(request, line.agreement, line, form)


def _decide(
    request: PageRequest, agreement: Agreement, line: AgreementLine | None, form: Any
) -> HttpResponse:
    rows = Agreement.objects.for_tenant(agreement.tenant)
    agreements = list(rows.filter(company=agreement.company_id).order_by("id"))
    decisions = choice_history(agreement.tenant, agreements)
    context = {
        "agreement": agreement,
        "line": line,
        "form": form,
        "records": decisions[line.pk if line else agreement.pk],
        **_replaced(agreements, decisions),
    }
    status = 422 if form.is_bound else 200
    return render(request, "agreements/decide.html", context, status=status)


def _decided(
    request: PageRequest, agreement: Agreement, record: ChoiceRecord | None
) -> HttpResponse:
    if record is None:
        messages.info(request, "It was so already.")
    else:
        messages.success(request, "Decided. The figures follow it.")
    return redirect("agreements:company-mrr", agreement.company_id)


@page("POST", role=Role.MEMBER, section="companies")
def undo_choice(request: PageRequest, pk: UUID) -> HttpResponse:
    """Put back what a decision changed."""
    rows = ChoiceRecord.objects.for_tenant(tenant_of(request))
    record = find(rows.select_related("tenant", "agreement__tenant", "line"), pk)
    return _decided(request, record.agreement, undo(record=record, actor=request.user))


# The tenant's book


def _days_of_the_book(request: PageRequest) -> Days:
    """The days of a movement; the book itself is always that of today."""
    query = request.GET.copy()
    query.pop("as_of", None)
    return Days.of(query, tenant_of(request).today())


@page("GET", section="mrr")
def book(request: PageRequest) -> HttpResponse:
    """All companies together, from what is stored: sums, concentration, and what ends soon."""
    tenant = tenant_of(request)
    within = request.GET.get("within", "")
    horizon = int(within) if within.isdecimal() and int(within) in HORIZONS else HORIZONS[-1]
    days = _days_of_the_book(request)
    days.tell(request)
    context = {
        "books": currency_books(tenant),
        "ending": paged(request, ending_soon(tenant, horizon), size=25),
        "within": horizon,
        "horizons": HORIZONS,
        "days": days,
    }
    return render(request, "agreements/book.html", context)


@page("GET", section="mrr")
def book_charts(request: PageRequest) -> HttpResponse:
    """The book's charts, loaded after the page: they take the whole book."""
    tenant = tenant_of(request)
    days = _days_of_the_book(request)
    if refusal := days.refusal():
        return refusal
    prepared = tenant_book(tenant)
    bridges = mrr.movement(prepared, days.start, days.end)
    context = {
        "months": charts.by_month(prepared, days.as_of),
        "movements": movement_rows.by_company(bridges, lambda ids: _names_of(tenant, ids)),
        "days": days,
        "series_address": reverse("agreements:series-csv"),
        "movement_address": reverse("agreements:movement-csv"),
    }
    return render(request, "agreements/_charts.html", context)


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
    days = Days.of(request.GET, tenant.today())
    if refusal := days.refusal():
        return refusal
    prepared = tenant_book(tenant, company_id=company.pk if company else None)
    first = add_months(days.as_of.replace(day=1), -12)
    months = recognized_by_month(prepared, first, 24)
    return exports.series_csv(f"recognized-{days.as_of:%Y-%m}", months)


@page("GET", section="mrr")
def movement_csv(request: PageRequest) -> HttpResponse:
    """The movement between two days as CSV, company by company."""
    tenant, company = _narrowed(request)
    days = Days.of(request.GET, tenant.today())
    if refusal := days.refusal():
        return refusal
    prepared = tenant_book(tenant, company_id=company.pk if company else None)
    bridges = mrr.movement(prepared, days.start, days.end)
    ids = {moved.company_id for bridge in bridges for moved in bridge.companies}
    names = _names_of(tenant, ids)
    return exports.movement_csv(f"movement-{days.start}-{days.end}", bridges, names)


def _names_of(tenant: Tenant, company_ids: set[str]) -> dict[str, str]:
    rows = Company.objects.for_tenant(tenant).filter(pk__in=company_ids)
    return {str(pk): name for pk, name in rows.values_list("pk", "name")}
