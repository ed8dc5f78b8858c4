"""Pages of audITees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from agreements.figures import Money, company_figure, company_totals
from agreements.overview import with_mrr
from agreements.remarks import remarks_on_figure
from audit_site.db.folded_text import Folded
from audit_site.errors import DomainError
from audit_site.pages.views import PageRequest, find, page, paged, tenant_of
from audit_site.tenants.models import Role
from companies import services
from companies.models import Company
from companies.web.forms import CompanyForm
from integrations.connecting.selectors import list_integrations
from integrations.importing.linking import link_of, owner_of
from integrations.importing.rules import explain, may_mean_active
from integrations.importing.selectors import companies_with_links
from integrations.matching.selectors import list_suggestions
from integrations.models import CompanyLink, LinkSuggestion, PsaCompanyRecord, SuggestionKind
from integrations.runs import starting
from integrations.runs.selectors import list_sync_runs

#: `?order=` → the order of the list; by MRR in the tenant's own currency
MRR_ORDERS = {
    "-mrr": ("-mrr_minor", Folded("name"), "id"),
    "mrr": ("mrr_minor", Folded("name"), "id"),
}


@dataclass(frozen=True, slots=True)
class CompanyRow:
    """A row of the list of audITees: its link in force and its MRR by currency."""

    company: Company
    link: CompanyLink | None
    totals: list[Money]


@page("GET", section="companies")
def companies(request: PageRequest) -> HttpResponse:
    """The tenant's audITees with link and MRR."""
    tenant = tenant_of(request)
    rows = companies_with_links(
        tenant,
        search=request.GET.get("search", ""),
        status=request.GET.get("status", Company.Status.ACTIVE) or None,
        flagged=request.GET.get("flagged") == "yes",
    )
    order = request.GET.get("order", "")
    if order in MRR_ORDERS:
        rows = with_mrr(rows, tenant).order_by(*MRR_ORDERS[order])
    else:
        rows = rows.order_by(Folded("name"), "name", "id")
    shown = paged(request, rows)
    totals = company_totals(tenant, [company.pk for company in shown.object_list])
    context = {
        "page": shown,
        "rows": [CompanyRow(row, link_of(row), totals[row.pk]) for row in shown.object_list],
        "order": order,
        "order_address": _order_address(request, order),
        "status": request.GET.get("status", Company.Status.ACTIVE),
        "has_integrations": list_integrations(tenant).exists(),
    }
    return render(request, "companies/list.html", context)


def _order_address(request: PageRequest, order: str) -> str:
    """The same list by MRR, the largest first; the smallest first where that is shown."""
    query = {
        "order": "mrr" if order == "-mrr" else "-mrr",
        "status": request.GET.get("status", Company.Status.ACTIVE),
        "search": request.GET.get("search", ""),
    }
    return f"?{urlencode(query, quote_via=quote)}"


@page("GET", "POST", role=Role.MEMBER, section="companies")
def add(request: PageRequest) -> HttpResponse:
    form = CompanyForm(request.POST or None)
    if form.is_valid():
        try:
            company = services.create_company(
                tenant=tenant_of(request),
                actor=request.user,
                name=form.cleaned_data["name"],
                primary_contact=form.contact or {},
                type=form.cleaned_data["type"] or Company.Type.CLIENT,
            )
        except DomainError as error:
            form.add_refusal(error)
        else:
            return redirect("companies:detail", company.pk)
    status = 422 if form.is_bound else 200
    return render(request, "companies/form.html", {"form": form}, status=status)


def company_of(request: PageRequest, pk: UUID) -> Company:
    rows = companies_with_links(tenant_of(request)).select_related("tenant")
    return find(rows, pk)


@page("GET", section="companies")
def company(request: PageRequest, pk: UUID) -> HttpResponse:
    """The agreements of an audITee, what they come to, and the re-sync that reads them."""
    found = company_of(request, pk)
    figure = company_figure(found)
    context = {
        **head_of(found),
        "figure": figure,
        "remarks": remarks_on_figure(found, figure.totals),
        "run": list_sync_runs(found.tenant, company=found.pk).first() if link_of(found) else None,
    }
    return render(request, "companies/detail.html", context)


def head_of(company: Company) -> dict[str, Any]:
    """What stands above the tabs of an audITee: where it comes from, and what is wrong there."""
    link = link_of(company)
    if link is None:
        return {"company": company, "link": None, "psa": None, "record": None, "problems": []}
    psa = link.integration.psa_info
    rows = PsaCompanyRecord.objects.for_tenant(company.tenant)
    record = rows.filter(integration=link.integration, external_id=link.external_id).first()
    status = record.status if record else ""
    return {
        "company": company,
        "link": link,
        "psa": psa,
        "record": record,
        "problems": [explain(code, psa, status) for code in link.problem_codes],
        "status_to_say": _status_to_say(link, record),
    }


def suggestion_for(company: Company) -> LinkSuggestion | None:
    """The PSA company that an audITee without a link probably is."""
    found = list_suggestions(company.tenant, company=company.pk, kind=SuggestionKind.LINK)
    return found.first()


def _status_to_say(link: CompanyLink, record: PsaCompanyRecord | None) -> str:
    """The status that stands in the way and may mean active all the same; "" = there is none."""
    if record is None or "inactive" not in link.problem_codes:
        return ""
    return record.status if may_mean_active(record.status, link.integration.psa_info) else ""


@page("GET", "POST", role=Role.MEMBER, section="companies")
def edit(request: PageRequest, pk: UUID) -> HttpResponse:
    """Name, type and primary contact; of a linked one the type alone is ours."""
    found = company_of(request, pk)
    owner = owner_of(found)
    initial = CompanyForm.values_of(found)
    form = CompanyForm(request.POST or None, initial=initial, is_owned=bool(owner))
    if form.is_valid():
        try:
            services.update_company(
                company=found,
                actor=request.user,
                owned_by=owner,
                name=form.cleaned_data.get("name"),
                primary_contact=form.contact,
                type=form.cleaned_data["type"] or None,
            )
        except DomainError as error:
            form.add_refusal(error)
        else:
            return redirect("companies:detail", pk)
    status = 422 if form.is_bound else 200
    context = {"form": form, "company": found, "owner": owner}
    return render(request, "companies/form.html", context, status=status)


@page("GET", "POST", role=Role.MEMBER, section="companies")
def archive(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask once more, saying what leaves the MRR, then archive."""
    found = company_of(request, pk)
    if request.method == "POST":
        services.archive_company(company=found, actor=request.user)
        messages.success(request, "Archived. Everything about it is kept, and its licence is free.")
        return redirect("companies:detail", pk)
    if found.status == Company.Status.ARCHIVED:
        return redirect("companies:detail", pk)
    context = {"company": found, "totals": totals_of(found), "link": link_of(found)}
    return render(request, "companies/archive.html", context)


def totals_of(company: Company) -> list[Money]:
    return company_totals(company.tenant, [company.pk])[company.pk]


@page("POST", role=Role.MEMBER, section="companies")
def restore(request: PageRequest, pk: UUID) -> HttpResponse:
    services.restore_company(company=company_of(request, pk), actor=request.user)
    return redirect("companies:detail", pk)


@page("POST", role=Role.MEMBER, section="companies")
def resync(request: PageRequest, pk: UUID) -> HttpResponse:
    starting.start_company_sync(company=company_of(request, pk), actor=request.user)
    return redirect("companies:detail", pk)


@page("GET", section="companies")
def sync_fragment(request: PageRequest, pk: UUID) -> HttpResponse:
    """The re-sync under way, asked for every second; at its end the whole page is loaded again."""
    found = company_of(request, pk)
    run = list_sync_runs(found.tenant, company=found.pk).first()
    response = render(request, "companies/_sync.html", {"company": found, "run": run})
    if run is None or not run.is_active:
        response["HX-Refresh"] = "true"
    return response
