"""Erasing a contact for good."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from audit_site.pages.views import PageRequest, find, page, tenant_of
from audit_site.privacy.contact_erasure import erase_contact
from audit_site.tenants.models import Role
from companies.models import Contact
from integrations.importing.linking import link_of


@page("GET", "POST", role=Role.ADMIN, section="companies")
def erase(request: PageRequest, pk: UUID, contact_id: UUID) -> HttpResponse:
    """Ask once more, saying what goes and what stays, then erase."""
    rows = Contact.objects.for_tenant(tenant_of(request)).filter(company=pk)
    contact = find(rows.select_related("tenant", "company"), contact_id)
    if request.method == "POST":
        erase_contact(contact=contact, actor=request.user)
        messages.success(request, "Erased, everywhere. No sync brings this contact back.")
        return redirect("companies:contacts", pk)
    link = link_of(contact.company)
    psa = link.integration.psa_info if link and contact.external_id else None
    context = {"company": contact.company, "contact": contact, "psa": psa}
    return render(request, "companies/erase_contact.html", context)
