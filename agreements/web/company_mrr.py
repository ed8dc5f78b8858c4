"""The sum that makes a company's MRR, line by line."""

from __future__ import annotations

from urllib.parse import quote, urlencode
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render

from agreements import mrr
from agreements.figures import CompanyFigure, company_figure
from agreements.web import charts, exports, movement_rows
from agreements.web.asked_days import Days
from agreements.web.mrr_page import mrr_page
from agreements.web.source_remarks import remarks_on_source
from audit_site.pages.views import PageRequest, find, page, tenant_of
from companies.models import Company
from integrations.importing.linking import link_of
from integrations.importing.selectors import companies_with_links
from integrations.runs.selectors import list_sync_runs


def find_company(request: PageRequest, pk: UUID) -> Company:
    return find(companies_with_links(tenant_of(request)).select_related("tenant"), pk)


@page("GET", section="companies")
def company_mrr(request: PageRequest, pk: UUID) -> HttpResponse:
    """A company's MRR as of a day: what counted, what was left out, and why."""
    company = find_company(request, pk)
    days = Days.of(request.GET, company.tenant.today())
    days.show_troubles(request)
    figure = company_figure(company, days.as_of)
    movement = mrr.movement(figure.book, days.start, days.end)
    context = {
        "company": company,
        "link": link_of(company),
        "remarks": remarks_on_source(company),
        "page": mrr_page(company.tenant, figure),
        "months": charts.by_month(figure.book, figure.as_of),
        "movements": movement_rows.by_row(movement, figure.ledger),
        "days": days,
        "mail_query": mail_query(company, figure),
        **days.csv_addresses(company),
    }
    return render(request, "agreements/mrr.html", context)


def mail_query(company: Company, figure: CompanyFigure) -> str:
    """Subject and beginning of the mail of a person who doubts a figure."""
    mail = {
        "subject": f"MRR of company {company.pk}",
        "body": f"As of {figure.as_of.isoformat()} it should be:",
    }
    return urlencode(mail, quote_via=quote)


@page("GET", section="companies")
def company_ledger(request: PageRequest, pk: UUID) -> HttpResponse:
    """The ledger as CSV."""
    company = find_company(request, pk)
    days = Days.of(request.GET, company.tenant.today())
    if refusal := days.refusal():
        return refusal
    return exports.ledger_csv(company, company_figure(company, days.as_of))


@page("GET", section="companies")
def company_report(request: PageRequest, pk: UUID) -> HttpResponse:
    """Everything behind a figure in one file, for the person who has to find out what is wrong."""
    company = find_company(request, pk)
    days = Days.of(request.GET, company.tenant.today())
    if refusal := days.refusal():
        return refusal
    figure = company_figure(company, days.as_of)
    run = list_sync_runs(company.tenant, company=company.pk).first()
    return exports.report(company, figure, run)
