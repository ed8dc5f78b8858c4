"""The contacts of an audITee: who is the primary one."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from audit_site.pages.views import PageRequest, find, page, tenant_of
from audit_site.tenants.models import Role
from companies.models import Contact
from companies.primary import choose_primary
from companies.web.views import company_of, head_of
from integrations.importing.shown_companies import shown_companies


@page("GET", section="companies")
def contacts(request: PageRequest, pk: UUID) -> HttpResponse:
    """The people of an audITee: who is the primary contact, why, and who could be."""
    found = company_of(request, pk)
    shown = shown_companies(found.tenant, [found.pk]).get(found.pk)
    context = {**head_of(found), "why": shown.why if shown else None}
    return render(request, "companies/contacts.html", context)


@page("POST", role=Role.MEMBER, section="companies")
def make_primary(request: PageRequest, pk: UUID, contact_id: UUID) -> HttpResponse:
    """Choose the primary contact; it stays until that contact is gone."""
    people = Contact.objects.for_tenant(tenant_of(request)).filter(company=pk)
    contact = find(people.select_related("company__tenant"), contact_id)
    if choose_primary(company=contact.company, contact=contact, actor=request.user):
        messages.success(request, f"{contact} is the primary contact now, until you choose again.")
    else:
        messages.info(request, "Nothing changed: it was decided already.")
    return redirect("companies:contacts", pk)
