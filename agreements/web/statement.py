"""A company's MRR to print or to hand over: what counts, what does not, and who decided so."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from agreements.looks import note_taken
from agreements.web import exports, statement_pdf
from agreements.web.asked_days import Days
from agreements.web.company_mrr import figure_as_asked, find_company
from agreements.web.mrr_page import MrrPage, mrr_page
from audit_site import limits
from audit_site.pages.views import PageRequest, page
from audit_site.tenants.models import Tenant
from companies.models import Company
from companies.names import names_at


@dataclass(frozen=True, slots=True)
class Statement:
    """What a statement shows of a company, which was `called` so then."""

    company: Company
    called: str
    page: MrrPage
    days: Days

    @property
    def tenant(self) -> Tenant:
        return self.company.tenant


@page("GET", section="companies")
def company_statement(request: PageRequest, pk: UUID) -> HttpResponse:
    """The statement. Its address names the day and the moment, so that it stays what it is."""
    company = find_company(request, pk)
    days = Days.of(request.GET, company.tenant)
    if refusal := days.refusal():
        return refusal
    if not _names_both(days):
        return redirect(_address(company, days))
    made = _taken(request, company, days)
    context = {
        "company": company,
        "called": made.called,
        "tenant": made.tenant,
        "page": made.page,
        "days": days,
    }
    return render(request, "agreements/statement.html", context)


@page("GET", section="companies")
def statement_file(request: PageRequest, pk: UUID) -> HttpResponse:
    """The statement as PDF: the same day and moment give the same file, byte for byte."""
    company = find_company(request, pk)
    days = Days.of(request.GET, company.tenant)
    if refusal := days.refusal():
        return refusal
    limits.spend(company.tenant, limits.EXPORTS)
    days = days.fixed(company.tenant, company)
    made = _taken(request, company, days)
    content = statement_pdf.pdf_of(
        made.page, tenant=made.tenant, called=made.called, at=days.moment
    )
    response = HttpResponse(content, content_type="application/pdf")
    name = f"mrr-{company.pk}-{days.as_of}-{exports.known_name(days)}.pdf"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _taken(request: PageRequest, company: Company, days: Days) -> Statement:
    """The statement of a day and a moment, which is noted as taken away."""
    figure = figure_as_asked(company, days)
    shown = mrr_page(company.tenant, figure)
    exports.record_export(
        request, what="statement", company=company, as_of=days.as_of, known_at=days.known_at
    )
    note_taken(company, request.user, figure)
    called = names_at(company.tenant, [company.pk], days.moment)
    return Statement(company, called[str(company.pk)], shown, days)


def _names_both(days: Days) -> bool:
    return "as_of" in days.given and days.is_instant


def _address(company: Company, days: Days) -> str:
    """Where the statement of this day stands, as known now unless the address says otherwise."""
    days = days.fixed(company.tenant, company)
    return f"{reverse('agreements:company-statement', args=[company.pk])}?{days.figure_query}"
