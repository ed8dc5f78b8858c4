"""Adding one company of the import list, with its primary contact and type chosen."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from audit_site.db.folded_text import storable
from audit_site.pages.views import PageRequest, find, page, tenant_of
from audit_site.tenants.models import Role
from companies.models import Company
from companies.services import licence
from integrations.importing import batches
from integrations.importing.import_companies import ImportChoice, import_companies
from integrations.importing.import_rows import import_rows
from integrations.importing.rules import has_method
from integrations.importing.said_words import company_type_of, company_words
from integrations.importing.selectors import contacts_of, list_psa_companies
from integrations.models import (
    ImportBatchRow,
    Integration,
    PsaCompanyRecord,
    PsaContactRecord,
)
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


@page("GET", "POST", role=Role.MEMBER, section="import")
def add_company(request: PageRequest, pk: UUID) -> HttpResponse:
    """Show who works at a company and what it becomes, then import it as it was chosen."""
    integration = find_integration(request, pk)
    asked = request.POST if request.method == "POST" else request.GET
    record = _record(integration, asked.get("external_id", ""))
    (row,) = import_rows([record], None)
    if row.linked:
        return redirect("companies:detail", row.linked.id)
    page = _ChoicePage(request, record)
    if page.form.is_valid():
        return _import(request, integration, page.choice)
    back = reverse("integrations:import-list", args=[pk])
    return page.shown(row=row, back=back, licence=licence(tenant_of(request)))


@page("GET", "POST", role=Role.MEMBER, section="import")
def choose_for_row(request: PageRequest, pk: UUID) -> HttpResponse:
    """Choose the same for a company of an import that is being reviewed."""
    rows = ImportBatchRow.objects.for_tenant(tenant_of(request))
    batch_row = find(rows.select_related("batch", "integration__tenant"), pk)
    if batch_row.becomes != ImportBatchRow.Becomes.NEW:
        raise Http404
    record = _record(batch_row.integration, batch_row.external_id)
    page = _ChoicePage(request, record, batch_row)
    back = reverse("integrations:import-batch", args=[batch_row.batch_id])
    if page.form.is_valid():
        batches.choose_for_row(row=batch_row, choice=page.choice)
        return redirect(f"{back}?from={batch_row.position}")
    return page.shown(batch_row=batch_row, back=back)


class _ChoicePage:
    """Who works at a company, whom of them one can choose, and what is chosen now."""

    def __init__(
        self, request: PageRequest, record: PsaCompanyRecord, chosen: ImportBatchRow | None = None
    ) -> None:
        self._request, self._record = request, record
        self._people = list(contacts_of(record)[:MOST_PEOPLE])
        self._able = [one for one in self._people if one.is_active and has_method(one)]
        words = company_words(record.integration)
        self._by_rule = (record.primary_contact_id, company_type_of(words, record.type))
        contact, type_ = self._by_rule
        initial = {
            "primary_contact": (chosen and chosen.primary_contact) or contact,
            "type": (chosen and chosen.type) or type_,
        }
        self.form = AddForm(request.POST or None, people=self._able, initial=initial)

    @property
    def choice(self) -> ImportChoice:
        """What a person chose; what the rules would choose as well is nobody's choice."""
        chosen = (self.form.cleaned_data["primary_contact"], self.form.cleaned_data["type"])
        contact, type_ = (
            "" if one == rule else one for one, rule in zip(chosen, self._by_rule, strict=True)
        )
        return ImportChoice(self._record.external_id, contact, type_)

    def shown(self, **context: Any) -> HttpResponse:
        context = {
            "integration": self._record.integration,
            "info": self._record.integration.psa_info,
            "record": self._record,
            "people": [(person, person in self._able) for person in self._people],
            "chosen": self.form["primary_contact"].value(),
            "form": self.form,
            **context,
        }
        status = 422 if self.form.is_bound else 200
        return render(self._request, "integrations/add_company.html", context, status=status)


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
