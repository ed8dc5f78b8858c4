"""Pages on which people decide about agreements and lines, and take it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import reverse

from agreements.decisions import choose, label_of, say_right, undo
from agreements.effects import effects_of
from agreements.models import Agreement, AgreementLine, ChoiceRecord
from agreements.mrr.doubts import DOUBTS, PART_OF_CYCLE
from agreements.web.forms import AgreementChoicesForm, ChoicesForm, LineChoicesForm
from agreements.web.mrr_page import decisions_about
from audit_site.errors import DomainError
from audit_site.pages.views import PageRequest, find, page, tenant_of, way_back
from audit_site.tenants.models import Role


@page("GET", "POST", role=Role.MEMBER, section="companies")
def agreement_choices(request: PageRequest, pk: UUID) -> HttpResponse:
    """Decide about an agreement; the page also shows what was decided before."""
    rows = Agreement.objects.for_tenant(tenant_of(request))
    agreement = find(rows.select_related("tenant", "company", "choices"), pk)
    data = request.POST if request.method == "POST" else None
    proposed, other = (request.GET.get(name, "") for name in ("choose", "other"))
    form = AgreementChoicesForm.of(agreement, data, proposed=proposed, other=other)
    return _answer(request, agreement, None, form)


@page("GET", "POST", role=Role.MEMBER, section="companies")
def line_choices(request: PageRequest, pk: UUID) -> HttpResponse:
    """Decide about one line of an agreement."""
    rows = AgreementLine.objects.for_tenant(tenant_of(request))
    line = find(rows.select_related("agreement__tenant", "agreement__company", "choices"), pk)
    data = request.POST if request.method == "POST" else None
    form = LineChoicesForm.of(line, data, proposed=request.GET.get("choose", ""))
    return _answer(request, line.agreement, line, form)


def _answer(
    request: PageRequest, agreement: Agreement, line: AgreementLine | None, form: ChoicesForm
) -> HttpResponse:
    """Decide, or show with `effect` what the decision would do; else the form."""
    is_asked, effects = "effect" in request.POST, []
    if request.method == "POST" and form.is_valid():
        try:
            if is_asked:
                effects = effects_of(agreement=agreement, line=line, changes=form.changes)
            else:
                note = form.cleaned_data["note"]
                record = choose(
                    agreement=agreement,
                    line=line,
                    actor=request.user,
                    changes=form.changes,
                    note=note,
                )
                return _decided(request, agreement, record)
        except DomainError as error:
            form.add_refusal(error)
    context = {"agreement": agreement, "form": form, "effects": effects, "is_asked": is_asked}
    context["next"] = way_back(request)
    if is_asked and request.htmx:
        return render(request, "agreements/_effect.html", context)
    context |= _history(agreement, line)
    status = 422 if form.is_bound and not (is_asked and form.is_valid()) else 200
    return render(request, "agreements/decide.html", context, status=status)


def _history(agreement: Agreement, line: AgreementLine | None) -> dict[str, Any]:
    rows = Agreement.objects.for_tenant(agreement.tenant).filter(company=agreement.company_id)
    decisions = decisions_about(agreement.tenant, list(rows.order_by("id")))
    return {
        "line": line,
        "records": decisions.history.get(line.pk if line else agreement.pk, ()),
        "replaced_by": () if line else decisions.replaced_by.get(agreement.pk, ()),
        "labels": decisions.labels,
    }


def _decided(
    request: PageRequest, agreement: Agreement, record: ChoiceRecord | None
) -> HttpResponse:
    if record is None:
        messages.info(request, "Nothing changed: it was decided already.")
    else:
        messages.success(request, "Decided. The figures follow it.")
    return _go_on(request, agreement)


def _go_on(request: PageRequest, agreement: Agreement) -> HttpResponse:
    """The list that the person came from, or else the page of the figure."""
    mrr_address = reverse("agreements:company-mrr", args=[agreement.company_id])
    return redirect(way_back(request) or mrr_address)


@page("POST", role=Role.MEMBER, section="companies")
def agreement_is_right(request: PageRequest, pk: UUID) -> HttpResponse:
    """What is warned of at an agreement is right as it is."""
    rows = Agreement.objects.for_tenant(tenant_of(request)).select_related("tenant", "company")
    return _said_right(request, find(rows, pk), None, DOUBTS)


@page("POST", role=Role.MEMBER, section="companies")
def line_is_right(request: PageRequest, pk: UUID) -> HttpResponse:
    """What is warned of at a line is right as it is."""
    rows = AgreementLine.objects.for_tenant(tenant_of(request))
    line = find(rows.select_related("agreement__tenant", "agreement__company"), pk)
    return _said_right(request, line.agreement, line, (PART_OF_CYCLE,))


def _said_right(
    request: PageRequest, agreement: Agreement, line: AgreementLine | None, codes: Sequence[str]
) -> HttpResponse:
    code = request.POST.get("code", "")
    if code not in codes:
        return HttpResponseBadRequest("Nothing like that is warned of here.")
    say_right(agreement=agreement, line=line, code=code, actor=request.user)
    what = f"{line} of {label_of(agreement)}" if line else label_of(agreement)
    messages.success(request, f"Noted that {what} is right. You can undo this under its decisions.")
    return _go_on(request, agreement)


@page("POST", role=Role.MEMBER, section="companies")
def undo_choice(request: PageRequest, pk: UUID) -> HttpResponse:
    """Put back what a decision changed."""
    rows = ChoiceRecord.objects.for_tenant(tenant_of(request)).exclude(agreement=None)
    record = find(rows.select_related("tenant", "agreement__tenant", "line"), pk)
    agreement: Agreement = record.agreement  # type: ignore[assignment]
    return _decided(request, agreement, undo(record=record, actor=request.user))
