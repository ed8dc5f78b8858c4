"""What becomes of one company of the import list: linked to an audITee, or added as a new one."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from audit_site.db.folded_text import storable
from audit_site.pages.views import PageRequest, page, paged, tenant_of
from audit_site.tenants.models import Role
from companies.models import Company
from integrations.importing import proposing
from integrations.importing.import_rows import import_rows
from integrations.importing.selectors import companies_with_links, list_psa_companies
from integrations.importing.suggested import suggestions_for
from integrations.models import Integration, PsaCompanyRecord
from integrations.web.integrations import find_integration

#: So many audITees are offered at once; a person types more of the name.
SIZE: Final = 50


@page("GET", role=Role.MEMBER, section="import")
def link_record(request: PageRequest, pk: UUID) -> HttpResponse:
    """Choose the audITee that a PSA company is; what a link changes is shown before it is made."""
    integration = find_integration(request, pk)
    record = _record(integration, request.GET.get("external_id", ""))
    (row,) = import_rows([record], None)
    if row.linked:
        return redirect("companies:detail", row.linked.id)
    found = companies_with_links(
        tenant_of(request),
        search=request.GET.get("search", ""),
        status=Company.Status.ACTIVE,
        linked=False,
    )
    context = {
        "integration": integration,
        "record": record,
        "row": row,
        "suggestion": suggestions_for([record]).get(record.pk),
        "page": paged(request, found, SIZE),
        "search": request.GET.get("search", ""),
    }
    return render(request, "integrations/link_record.html", context)


@page("POST", role=Role.MEMBER, section="import")
def review_one(request: PageRequest, pk: UUID) -> HttpResponse:
    """Review one company of a connection: as it is suggested, or (`as=new`) as a new audITee."""
    integration = find_integration(request, pk)
    external_id = request.POST.get("external_id", "")
    tenant = tenant_of(request)
    if request.POST.get("as") == "new":
        record = _record(integration, external_id)
        pairs = [(integration, record.external_id)]
        batch = proposing.propose_ids(tenant=tenant, pairs=pairs, actor=request.user)
    else:
        rows = PsaCompanyRecord.objects.of(integration).filter(external_id=storable(external_id))
        batch = proposing.propose(tenant=tenant, rows=rows, actor=request.user)
    return redirect("integrations:import-batch", batch.pk)


def _record(integration: Integration, external_id: str) -> PsaCompanyRecord:
    rows = list_psa_companies(integration).select_related("integration")
    record = rows.filter(external_id=storable(external_id)).first()
    if record is None:
        raise Http404
    return record
