"""The sum behind an MRR, line by line."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from agreements.mrr.ledger import WARNINGS
from agreements.selectors import company_figure
from audit_site.pages.views import PageRequest, find, page, tenant_of
from integrations.selectors import companies_with_links


@page("GET")
def company_mrr(request: PageRequest, pk: UUID) -> HttpResponse:
    """A company's MRR as of a day: what counted, what was left out, and why."""
    company = find(companies_with_links(tenant_of(request)).select_related("tenant"), pk)
    as_of = None
    if text := request.GET.get("as_of"):
        try:
            as_of = date.fromisoformat(text)
        except ValueError:
            messages.error(request, "This is not a date. Here is the figure of today.")
    figure = company_figure(company, as_of)
    names = {row.agreement.external_id: row.agreement for row in figure.agreements}
    context = {
        "company": company,
        "link": company.current_link,
        "figure": figure,
        "agreements": names,
        "warnings": WARNINGS,
    }
    return render(request, "agreements/mrr.html", context)
