"""A company's MRR to print or to hand over: what counts, what does not, and who decided so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from agreements.looks import note_taken
from agreements.models import Agreement
from agreements.web import exports
from agreements.web.asked_days import Days
from agreements.web.company_mrr import figure_as_asked, find_company
from agreements.web.mrr_page import LineRow, mrr_page
from audit_site.pages.views import PageRequest, page
from companies.models import Company
from companies.names import names_at


@dataclass(frozen=True, slots=True)
class StatementPart:
    """The rows of an agreement that count, and what they come to as they are shown."""

    agreement: Agreement
    rows: list[LineRow]
    currency: str
    subtotal: str


def statement_parts(counted: list[LineRow]) -> Iterator[StatementPart]:
    """The rows by agreement and currency, in the order of the ledger."""
    for (agreement, currency), found in groupby(counted, key=_group):
        rows = list(found)
        subtotal = sum((Decimal(line.row.mrr) for line in rows), Decimal(0))
        yield StatementPart(agreement, rows, currency, str(subtotal))


def _group(line: LineRow) -> tuple[Agreement, str]:
    return line.row.agreement_ref, line.row.currency


@page("GET", section="companies")
def company_statement(request: PageRequest, pk: UUID) -> HttpResponse:
    """The statement. Its address names the day and the moment, so that it stays what it is."""
    company = find_company(request, pk)
    days = Days.of(request.GET, company.tenant)
    if refusal := days.refusal():
        return refusal
    if not _names_both(days):
        return redirect(_address(company, days))
    figure = figure_as_asked(company, days)
    shown = mrr_page(company.tenant, figure)
    exports.record_export(
        request, what="statement", company=company, as_of=days.as_of, known_at=days.known_at
    )
    note_taken(company, request.user, figure)
    called = names_at(company.tenant, [company.pk], days.moment)
    context = {
        "company": company,
        "called": called[str(company.pk)],
        "tenant": company.tenant,
        "page": shown,
        "parts": list(statement_parts(shown.counted)),
        "days": days,
    }
    return render(request, "agreements/statement.html", context)


def _names_both(days: Days) -> bool:
    return "as_of" in days.given and days.is_instant


def _address(company: Company, days: Days) -> str:
    """Where the statement of this day stands, as known now unless the address says otherwise."""
    days = days.fixed(company.tenant, company)
    return f"{reverse('agreements:company-statement', args=[company.pk])}?{days.figure_query}"
