"""Adding one company of the import list, with its primary contact and type chosen."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from audit_site.db.folded_text import storable
from audit_site.pages.views import PageRequest, page, tenant_of
from audit_site.tenants.models import Role
from companies.models import Company
from companies.services import licence
from integrations.importing.import_companies import ImportChoice, import_companies
from integrations.importing.import_rows import import_rows
from integrations.importing.rules import has_method
from integrations.importing.said_words import company_type_of, company_words
from integrations.importing.selectors import contacts_of, list_psa_companies
from integrations.models import Integration, PsaCompanyRecord, PsaContactRecord
from integrations.web.integrations import find_integration

#: No company has more people who could be chosen on one page.
MOST_PEOPLE = 200


class AddForm(forms.Form):
    """Who becomes the primary contact, among those who can be, and the type."""

    primary_contact = forms.ChoiceField(label="Primary contact", required=False)
    type = forms.ChoiceField(label="Type", choices=Company.Type.choices)

    def __init__(self, *args: Any, people: list[PsaContactRecord], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen: Any = self.fields["primary_contact"]
        chosen.choices = [(person.external_id, str(person)) for person in people]
        self.fields["type"].widget.attrs["class"] = "form-select"


@page("GET", "POST", role=Role.MEMBER, section="integrations")
def add_company(request: PageRequest, pk: UUID) -> HttpResponse:
    """Show who works at a company and what it becomes, then import it as it was chosen."""
    integration = find_integration(request, pk)
    asked = request.POST if request.method == "POST" else request.GET
    record = _record(integration, asked.get("external_id", ""))
    (row,) = import_rows([record], None)
    if row.linked:
        return redirect("companies:detail", row.linked.id)
    people = list(contacts_of(record)[:MOST_PEOPLE])
    initial = {
        "primary_contact": record.primary_contact_id,
        "type": company_type_of(company_words(integration), record.type),
    }
    able = [person for person in people if person.is_active and has_method(person)]
    form = AddForm(request.POST or None, people=able, initial=initial)
    if form.is_valid():
        values = form.cleaned_data
        is_rule = values["primary_contact"] == record.primary_contact_id
        choice = ImportChoice(
            record.external_id, "" if is_rule else values["primary_contact"], values["type"]
        )
        return _import(request, integration, choice)
    context = {
        "integration": integration,
        "info": integration.psa_info,
        "record": record,
        "row": row,
        "people": [(person, person in able) for person in people],
        "chosen": form["primary_contact"].value(),
        "form": form,
        "licence": licence(tenant_of(request)),
    }
    status = 422 if form.is_bound else 200
    return render(request, "integrations/add_company.html", context, status=status)


def _record(integration: Integration, external_id: str) -> PsaCompanyRecord:
    rows = list_psa_companies(integration).select_related("integration")
    record = rows.filter(external_id=storable(external_id)).first()
    if record is None:
        raise Http404
    return record


def _import(request: PageRequest, integration: Integration, choice: ImportChoice) -> HttpResponse:
    result = import_companies(
        integration=integration,
        external_ids=[choice.external_id],
        actor=request.user,
        choices=[choice],
    )
    for rejected in result.rejected:
        messages.error(request, rejected.message)
    if not result.imported:
        return redirect("integrations:import-list", integration.pk)
    company = result.imported[0]
    messages.success(request, f"“{company}” is here now; its agreements are being read.")
    return redirect("companies:detail", company.pk)
