"""The sum that makes a company's MRR, line by line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from agreements import reports
from agreements.as_known import company_as_known
from agreements.figures import CompanyFigure, company_figure
from agreements.looks import note_look, note_taken, version_now
from agreements.remarks import remarks_on_figure
from agreements.since_shown import Differences, differences_since
from agreements.web import charts, exports, movement_rows
from agreements.web.asked_books import movement_as_asked
from agreements.web.asked_days import OPENS, Days
from agreements.web.mrr_page import mrr_page
from audit_site import limits
from audit_site.pages.views import PageRequest, find, page, tenant_of
from audit_site.tenants.mails import is_mail_configured
from audit_site.tenants.models import Role, User
from companies.models import Company
from integrations.importing.linking import link_of
from integrations.importing.selectors import companies_with_links
from integrations.runs.selectors import last_reading

#: A longer note is cut.
MOST_NOTED = 4000


def find_company(request: PageRequest, pk: UUID) -> Company:
    """A company with its link; contacts are not read."""
    rows = companies_with_links(tenant_of(request), with_people=False)
    return find(rows.select_related("tenant"), pk)


def figure_as_asked(company: Company, days: Days) -> CompanyFigure:
    """The figure of the day that was asked for, as known at the moment that was."""
    if days.known_at is None:
        version = version_now(company)
        figure = company_figure(company, days.as_of, is_fresh=True)
        return replace(figure, known_from=version)
    return company_as_known(company, days.known_at, days.as_of)


def what_is_new(company: Company, user: User, figure: CompanyFigure) -> Differences | None:
    """What differs from the last time that this person saw the figure of today; None = nothing."""
    if figure.known_at is not None:
        return None
    before, now = note_look(company, user, figure)
    return differences_since(company, before, now)


@page("GET", section="companies")
def company_mrr(request: PageRequest, pk: UUID) -> HttpResponse:
    """A company's MRR as of a day: what counted, what was left out, and why."""
    company = find_company(request, pk)
    days = Days.of(request.GET, company.tenant)
    days.show_troubles(request)
    figure = figure_as_asked(company, days)
    link = link_of(company)
    is_member = request.membership.has_role(Role.MEMBER)
    context = {
        "company": company,
        "link": link,
        "since": what_is_new(company, request.user, figure),
        "remarks": remarks_on_figure(company, figure.totals),
        "page": mrr_page(company.tenant, figure),
        "may_act": is_member and figure.known_at is None,
        "days": days,
        "shortcuts": shortcuts(company, days),
        "kept": [(name, days.given[name]) for name in ("from", "to", OPENS) if name in days.given],
        "charts_address": _charts_address(request, company, days),
        "can_send": is_mail_configured(),
    }
    return render(request, "agreements/mrr.html", context)


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A day that is asked for often, and the address of its figure."""

    label: str
    address: str
    is_shown: bool


def shortcuts(company: Company, days: Days) -> list[Shortcut]:
    """Today, the ends of the last month and of the last year, as known when it is asked for."""
    today = company.tenant.today(days.known_at)
    one_day = timedelta(days=1)
    wanted = {
        "Today": today,
        "Last month end": today.replace(day=1) - one_day,
        "Last year end": today.replace(month=1, day=1) - one_day,
    }
    given = {name: text for name, text in days.given.items() if name != "as_of"}
    return [
        Shortcut(label, f"?{urlencode({**given, 'as_of': day.isoformat()})}", day == days.as_of)
        for label, day in wanted.items()
    ]


def _charts_address(request: PageRequest, company: Company, days: Days) -> str:
    query = dict(days.given)
    if currency := request.GET.get("currency", ""):
        query["currency"] = currency
    address = reverse("agreements:company-charts", args=[company.pk])
    return f"{address}?{urlencode(query)}" if query else address


@page("GET", section="companies")
def company_charts(request: PageRequest, pk: UUID) -> HttpResponse:
    """What each month earns and what moved, of one currency; loaded after the figure. Without
    script a page.
    """
    company = find_company(request, pk)
    days = Days.of(request.GET, company.tenant)
    if refusal := days.refusal():
        return refusal
    figure = figure_as_asked(company, days)
    if days.opens_at is None:
        movement = figure.engine.movement(figure.book, days.start, days.end)
    else:
        movement = movement_as_asked(company.tenant, days, company.pk)
    months = charts.by_month([figure.part], figure.as_of)
    bridges = movement_rows.by_row(movement, figure.ledger, company.tenant)
    found = dict.fromkeys([*(bridge.chart.currency for bridge in bridges),
                           *(chart.currency for chart in months)])  # fmt: skip
    currencies = sorted(found, key=lambda name: (name != company.tenant.currency, name))
    wanted = request.GET.get("currency", "").upper()
    currency = wanted if wanted in found else next(iter(currencies), "")
    context = {
        "company": company,
        "currency": currency,
        "currencies": currencies,
        "given": urlencode(days.given),
        "months": [chart for chart in months if chart.currency == currency],
        "movements": [bridge for bridge in bridges if bridge.chart.currency == currency],
        "days": days,
        **days.csv_addresses(company, currency),
    }
    template = "_company_charts" if request.htmx else "company_charts"
    return render(request, f"agreements/{template}.html", context)


@page("GET", section="companies")
def company_ledger(request: PageRequest, pk: UUID) -> HttpResponse:
    """The ledger as CSV, of a day and as known at a moment: the same two give the same file."""
    company = find_company(request, pk)
    days = Days.of(request.GET, company.tenant)
    if refusal := days.refusal():
        return refusal
    limits.spend(company.tenant, limits.EXPORTS)
    days = days.fixed(company.tenant, company)
    figure = figure_as_asked(company, days)
    exports.record_export(
        request, what="ledger", company=company, as_of=days.as_of, known_at=days.known_at
    )
    note_taken(company, request.user, figure)
    return exports.ledger_csv(company, mrr_page(company.tenant, figure), days)


@page("GET", "POST", section="companies")
def company_report(request: PageRequest, pk: UUID) -> HttpResponse:
    """Everything behind a figure, shown before it is sent to our help address or downloaded."""
    company = find_company(request, pk)
    days = Days.of(request.GET, company.tenant)
    if refusal := days.refusal():
        return refusal
    figure = figure_as_asked(company, days)
    run = last_reading(company)
    report = reports.make_report(company, figure, run)
    if request.method == "POST":
        note = request.POST.get("note", "").strip()[:MOST_NOTED]
        reports.send_report(report=report, note=note, actor=request.user)
        where, back = settings.HELP_EMAIL, request.user.email
        messages.success(request, f"On its way to {where}. The answer comes to {back}.")
        return redirect("agreements:company-mrr", pk)
    context = {
        "company": company,
        "figure": figure,
        "report": report,
        "run": run,
        "agreement_count": len(figure.agreements),
        "can_send": is_mail_configured(),
    }
    return render(request, "agreements/report.html", context)


@page("GET", section="companies")
def report_file(request: PageRequest, pk: UUID) -> HttpResponse:
    """The report as a file."""
    company = find_company(request, pk)
    days = Days.of(request.GET, company.tenant)
    if refusal := days.refusal():
        return refusal
    figure = figure_as_asked(company, days)
    report = reports.make_report(company, figure, last_reading(company))
    exports.record_export(request, what="report", company=company, as_of=days.as_of)
    note_taken(company, request.user, figure)
    return exports.report_download(report)
