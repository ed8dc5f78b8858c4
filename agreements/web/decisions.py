"""Pages on which people decide about agreements and lines, and take it back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from agreements.decisions import choose, undo
from agreements.models import Agreement, AgreementLine, ChoiceRecord
from agreements.web.forms import AgreementChoicesForm, LineChoicesForm
from agreements.web.mrr_page import decisions_about
from audit_site.pages.views import PageRequest, find, page, tenant_of
from audit_site.tenants.models import Role


@page("GET", "POST", role=Role.MEMBER, section="companies")
def agreement_choices(request: PageRequest, pk: UUID) -> HttpResponse:
    """Decide about an agreement; the page also shows what was decided before."""
    rows = Agreement.objects.for_tenant(tenant_of(request))
    agreement = find(rows.select_related("tenant", "company", "choices"), pk)
    form = AgreementChoicesForm.of(agreement, request.POST or None)
    if request.method == "POST" and form.is_valid():
        note = form.cleaned_data["note"]
        record = choose(agreement=agreement, actor=request.user, changes=form.changes, note=note)
        return _decided(request, agreement, record)
    return _decide(request, agreement, None, form)


@page("GET", "POST", role=Role.MEMBER, section="companies")
def line_choices(request: PageRequest, pk: UUID) -> HttpResponse:
    """Decide about one line of an agreement."""
    rows = AgreementLine.objects.for_tenant(tenant_of(request))
    line = find(rows.select_related("agreement__tenant", "agreement__company", "choices"), pk)
    form = LineChoicesForm(request.POST) if request.method == "POST" else LineChoicesForm.of(line)
    if request.method == "POST" and form.is_valid():
        record = choose(
            agreement=line.agreement,
            line=line,
            actor=request.user,
            changes=form.changes,
            note=form.cleaned_data["note"],
        )
        return _decided(request, line.agreement, record)
    return _decide(request, line.agreement, line, form)


def _decide(
    request: PageRequest, agreement: Agreement, line: AgreementLine | None, form: Any
) -> HttpResponse:
    rows = Agreement.objects.for_tenant(agreement.tenant).filter(company=agreement.company_id)
    decisions = decisions_about(agreement.tenant, list(rows.order_by("id")))
    context = {
        "agreement": agreement,
        "line": line,
        "form": form,
        "records": decisions.history.get(line.pk if line else agreement.pk, ()),
        "replaced_by": () if line else decisions.replaced_by.get(agreement.pk, ()),
        "labels": decisions.labels,
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
