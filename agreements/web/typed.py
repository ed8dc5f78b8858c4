"""Pages on which people type agreements, change them and remove them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from agreements.figures import company_figure
from agreements.models import Agreement, TypedChange
from agreements.typed import (
    add_agreement,
    change_agreement,
    refuse_psas,
    remove_agreement,
    typed_changes,
)
from agreements.web.company_mrr import find_company
from agreements.web.typed_form import TypedForm
from audit_site.errors import DomainError
from audit_site.pages.views import PageRequest, find, page, tenant_of
from audit_site.tenants.models import Role
from companies.models import Company
from integrations.importing.linking import link_of

#: How many acts of the history a page shows.
MOST_SHOWN = 50


@page("GET", "POST", role=Role.MEMBER, section="companies")
def add(request: PageRequest, pk: UUID) -> HttpResponse:
    """Type an agreement of an audITee."""
    company = find_company(request, pk)
    initial = _typed_before(request, company) or {"currency": company.tenant.currency}
    form = TypedForm(request.POST or None, initial=initial)
    if form.is_valid():
        try:
            agreement = add_agreement(company=company, actor=request.user, values=form.cleaned_data)
        except DomainError as error:
            form.add_refusal(error)
        else:
            messages.success(request, _said(agreement))
            return redirect("companies:detail", pk)
    return _form(request, company, form)


def _typed_before(request: PageRequest, company: Company) -> dict[str, Any]:
    """What a removed agreement said, where the address asks for it to be typed again."""
    try:
        pk = UUID(request.GET.get("again", ""))
    except ValueError:
        return {}
    removed = typed_changes(company).filter(pk=pk, act=TypedChange.Act.REMOVED).first()
    return removed.before if removed else {}


def _said(agreement: Agreement) -> str:
    if agreement.set_aside:
        return (
            f"“{agreement}” is here, and set aside: a PSA is linked. Count it if the PSA does not "
            "have it."
        )
    return f"“{agreement}” is here. The figures follow it."


@page("GET", "POST", role=Role.MEMBER, section="companies")
def edit(request: PageRequest, pk: UUID) -> HttpResponse:
    """Change a typed agreement."""
    agreement = _agreement(request, pk)
    company = agreement.company
    form = TypedForm(request.POST or None, initial=TypedForm.values_of(agreement))
    if form.is_valid():
        try:
            change_agreement(agreement=agreement, actor=request.user, changes=form.cleaned_data)
        except DomainError as error:
            form.add_refusal(error)
        else:
            messages.success(request, "Saved. The figures follow it.")
            return redirect("companies:detail", company.pk)
    return _form(request, company, form, agreement)


def _form(
    request: PageRequest, company: Company, form: TypedForm, agreement: Agreement | None = None
) -> HttpResponse:
    link = link_of(company)
    context = {
        "company": company,
        "agreement": agreement,
        "form": form,
        "psa": link.integration.psa_info if link else None,
        "changes": typed_changes(company)[:MOST_SHOWN],
    }
    status = 422 if form.is_bound else 200
    return render(request, "agreements/typed_form.html", context, status=status)


@page("GET", "POST", role=Role.MEMBER, section="companies")
def remove(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask once more, saying what leaves the MRR, then remove a typed agreement."""
    agreement = _agreement(request, pk)
    company = agreement.company
    if request.method == "POST":
        remove_agreement(agreement=agreement, actor=request.user)
        messages.success(
            request,
            f"“{agreement}” is removed. What it said is kept: “Type an agreement” can put it back.",
        )
        return redirect(f"{reverse('companies:detail', args=[company.pk])}#agreements-title")
    rows = {row.agreement.pk: row for row in company_figure(company).agreements}
    context = {"company": company, "agreement": agreement, "row": rows[agreement.pk]}
    return render(request, "agreements/typed_remove.html", context)


def _agreement(request: PageRequest, pk: UUID) -> Agreement:
    """A typed agreement; a PSA's says that it is the PSA's."""
    rows = Agreement.objects.for_tenant(tenant_of(request))
    agreement = find(rows.select_related("company__tenant", "integration", "typed"), pk)
    refuse_psas(agreement)
    return agreement
