"""The sum behind an MRR, what people decide about it, and the tenant's book at a glance."""

from __future__ import annotations

import json
from datetime import date
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from agreements import charts, exports, mrr
from agreements.forms import AgreementChoicesForm, LineChoicesForm
from agreements.models import Agreement, AgreementLine, ChoiceRecord
from agreements.mrr.cycles import add_months
from agreements.mrr.ledger import WARNINGS
from agreements.selectors import (
    EARLIEST,
    LATEST,
    choice_history,
    company_figure,
    currency_books,
    day_of,
    ending_soon,
    recognized_by_month,
    tenant_book,
)
from agreements.services.choices import choose, undo
from audit_site.pages.views import PageRequest, find, page, paged, tenant_of
from audit_site.tenants.models import Role, Tenant
from companies.models import Company
from integrations.selectors import companies_with_links, list_sync_runs

#: Lists of agreements that end within so many days.
HORIZONS = (30, 60, 90)


def read_day(request: HttpRequest, name: str, default: date) -> date:
    """A day of the address; what is no day is said and the default taken."""
    text = request.GET.get(name)
    if not text:
        return default
    day = day_of(text)
    if day is not None:
        return day
    messages.error(request, f"This is not a date from {EARLIEST.year} to {LATEST.year}.")
    return default


def _company(request: PageRequest, pk: UUID) -> Company:
    return find(companies_with_links(tenant_of(request)).select_related("tenant"), pk)


@page("GET")
def company_mrr(request: PageRequest, pk: UUID) -> HttpResponse:
    """A company's MRR as of a day: what counted, what was left out, and why."""
    company = _company(request, pk)
    figure = company_figure(company, read_day(request, "as_of", company.tenant.today()))
    agreements = [row.agreement for row in figure.agreements]
    start, end = _span(request, company.tenant)
    context = {
        "company": company,
        "link": company.current_link,
        "figure": figure,
        "warnings": WARNINGS,
        "decisions": choice_history(company.tenant, agreements),
        "as_of": figure.as_of,
        "months": charts.by_month(figure.book, figure.as_of),
        "movements": charts.waterfall(mrr.movement(figure.book, start, end)),
        "start": start,
        "end": end,
        "series_address": reverse("agreements:series-csv"),
        "movement_address": reverse("agreements:movement-csv"),
    }
    return render(request, "agreements/mrr.html", context)


def _span(request: HttpRequest, tenant: Tenant) -> tuple[date, date]:
    """The two days of a movement: by default from the end of last month to today."""
    today = tenant.today()
    end = read_day(request, "to", today)
    last_month = date.fromordinal(end.replace(day=1).toordinal() - 1)
    start = read_day(request, "from", last_month)
    if start < end:
        return start, end
    messages.error(request, "The first day must come before the last one.")
    return last_month, end


@page("GET")
def company_ledger(request: PageRequest, pk: UUID) -> HttpResponse:
    """The ledger as CSV."""
    company = _company(request, pk)
    figure = company_figure(company, read_day(request, "as_of", company.tenant.today()))
    return exports.ledger_csv(company, figure)


@page("GET")
def company_report(request: PageRequest, pk: UUID) -> HttpResponse:
    """Everything behind a figure in one file, for whoever has to find out what is wrong."""
    company = _company(request, pk)
    figure = company_figure(company, read_day(request, "as_of", company.tenant.today()))
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


@page("GET", "POST", role=Role.MEMBER)
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


@page("GET", "POST", role=Role.MEMBER)
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
    records = choice_history(agreement.tenant, [agreement])[line.pk if line else agreement.pk]
    context = {"agreement": agreement, "line": line, "form": form, "records": records}
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


@page("POST", role=Role.MEMBER)
def undo_choice(request: PageRequest, pk: UUID) -> HttpResponse:
    """Put back what a decision changed."""
    rows = ChoiceRecord.objects.for_tenant(tenant_of(request))
    record = find(rows.select_related("tenant", "agreement__tenant", "line"), pk)
    return _decided(request, record.agreement, undo(record=record, actor=request.user))


# The tenant's book


@page("GET")
def book(request: PageRequest) -> HttpResponse:
    """All companies together, from what is stored: sums, concentration, and what ends soon."""
    tenant = tenant_of(request)
    within = request.GET.get("within", "")
    days = int(within) if within.isdecimal() and int(within) in HORIZONS else HORIZONS[-1]
    start, end = _span(request, tenant)
    context = {
        "books": currency_books(tenant),
        "ending": paged(request, ending_soon(tenant, days), size=25),
        "within": days,
        "horizons": HORIZONS,
        "as_of": tenant.today(),
        "start": start,
        "end": end,
    }
    return render(request, "agreements/book.html", context)


@page("GET")
def book_charts(request: PageRequest) -> HttpResponse:
    """The book's charts, loaded after the page: they take the whole book."""
    tenant = tenant_of(request)
    start, end = _span(request, tenant)
    prepared, today = tenant_book(tenant), tenant.today()
    context = {
        "as_of": today,
        "months": charts.by_month(prepared, today),
        "movements": charts.waterfall(mrr.movement(prepared, start, end)),
        "start": start,
        "end": end,
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


@page("GET")
def series_csv(request: PageRequest) -> HttpResponse:
    """Recognized by month as CSV: twelve months before the as-of month, and twelve from it."""
    tenant, company = _narrowed(request)
    prepared = tenant_book(tenant, company_id=company.pk if company else None)
    on = read_day(request, "as_of", tenant.today())
    months = recognized_by_month(prepared, add_months(on.replace(day=1), -12), 24)
    return exports.series_csv(f"recognized-{on:%Y-%m}", months)


@page("GET")
def movement_csv(request: PageRequest) -> HttpResponse:
    """The movement between two days as CSV, company by company."""
    tenant, company = _narrowed(request)
    start, end = _span(request, tenant)
    prepared = tenant_book(tenant, company_id=company.pk if company else None)
    bridges = mrr.movement(prepared, start, end)
    ids = {moved.company_id for bridge in bridges for moved in bridge.companies}
    rows = Company.objects.for_tenant(tenant).filter(pk__in=ids).values_list("pk", "name")
    names = {str(pk): name for pk, name in rows}
    return exports.movement_csv(f"movement-{start}-{end}", bridges, names)
