"""Pages of the import list: what can be added, adding it, and why one is missing."""

from __future__ import annotations

from string import ascii_lowercase
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from audit_site.db import counting
from audit_site.pages.views import PageRequest, page, tenant_of
from audit_site.tenants.models import Role
from companies.models import Company
from companies.services import licence
from integrations.importing import diagnosis, import_companies
from integrations.importing.selectors import (
    chosen_companies,
    company_meant,
    count_new,
    import_list_page,
    is_new,
    list_psa_companies,
    reasons_of,
)
from integrations.models import Integration, PsaContactRecord
from integrations.psa.errors import PsaError
from integrations.web.integrations import find_integration
from integrations.web.new_companies import new_since

#: Longer is no id and no name.
MOST_TYPED = 255


def yes_or_no(text: str | None) -> bool | None:
    return {"yes": True, "no": False}.get(text or "")


@page("GET", section="integrations")
def import_list(request: PageRequest, pk: UUID) -> HttpResponse:
    """Every company of the PSA: importable, or why not, and what is new in it."""
    integration = find_integration(request, pk)
    asked = request.GET
    since = new_since(request, integration)
    rows = list_psa_companies(
        integration,
        search=asked.get("search", ""),
        importable=yes_or_no(asked.get("importable")),
        linked=yes_or_no(asked.get("linked")),
        status=asked.get("status", ""),
        new=yes_or_no(asked.get("new")),
        since=since,
    )
    shown = import_list_page(
        integration,
        rows,
        after=asked.get("after", ""),
        before=asked.get("before", ""),
        start=asked.get("from", ""),
    )
    context = {
        "integration": integration,
        "info": integration.psa_info,
        "page": shown,
        "total": counting.capped_count(rows),
        "arrived": count_new(integration, since),
        "new_ids": {row.pk for row in shown.rows if is_new(row, since)},
        "reasons": {row.pk: reasons_of(row) for row in shown.rows},
        "primaries": _primaries(integration, shown.rows),
        "archived_ids": _archived(integration, shown.rows),
        "letters": ascii_lowercase,
        "licence": licence(tenant_of(request)),
    }
    return render(request, "integrations/import_list.html", context)


def _primaries(integration: Integration, rows: Any) -> dict[str, PsaContactRecord]:
    """Who the primary contact of each row would be, by the contact's id."""
    people = PsaContactRecord.objects.for_tenant(integration.tenant).filter(
        integration=integration,
        external_id__in=[row.primary_contact_id for row in rows if row.primary_contact_id],
    )
    return {person.external_id: person for person in people}


def _archived(integration: Integration, rows: Any) -> set[UUID]:
    """Which of the audITees that the rows are linked to are archived."""
    linked = [row.linked_company_id for row in rows if row.linked_company_id]
    found = Company.objects.for_tenant(integration.tenant).filter(pk__in=linked)
    return set(found.filter(status=Company.Status.ARCHIVED).values_list("pk", flat=True))


@page("POST", role=Role.MEMBER, section="integrations")
def import_chosen(request: PageRequest, pk: UUID) -> HttpResponse:
    """Import what was ticked, asking first when the licence has not room for all of it.

    What breaks a rule is said with its name.
    """
    integration = find_integration(request, pk)
    ticked = request.POST.getlist("external_ids")
    if not ticked:
        messages.info(request, "Tick the companies that you want to import first.")
        return redirect("integrations:import-list", pk)
    allowance = licence(tenant_of(request))
    chosen = chosen_companies(integration, ticked, allowance.free)
    if chosen.fit and chosen.wait:
        context = {"integration": integration, "chosen": chosen, "licence": allowance}
        return render(request, "integrations/confirm_import.html", context)
    wanted = [*chosen.ids, *(row.external_id for row in chosen.wait)]
    result = import_companies.import_companies(
        integration=integration, external_ids=wanted, actor=request.user
    )
    if result.imported:
        count = len(result.imported)
        noun = "audITee is" if count == 1 else "audITees are"
        messages.success(request, f"{count} {noun} here now; the agreements are being read.")
    for sentence in _rejections(integration, result):
        messages.error(request, sentence)
    if result.sync_run:
        return redirect("integrations:run", result.sync_run.pk)
    return redirect("integrations:import-list", pk)


def _rejections(integration: Integration, result: import_companies.ImportResult) -> list[str]:
    """Who could not be imported, a sentence for each reason."""
    ids = [rejected.external_id for rejected in result.rejected]
    rows = integration.psa_companies.filter(tenant=integration.tenant_id, external_id__in=ids)
    names = dict(rows.values_list("external_id", "name"))
    by_reason: dict[str, list[str]] = {}
    for rejected in result.rejected:
        name = names.get(rejected.external_id, rejected.external_id)
        by_reason.setdefault(rejected.message, []).append(name)
    return [f"Not imported: {some_of(who)}. {reason}" for reason, who in by_reason.items()]


def some_of(names: list[str], most: int = 5) -> str:
    """The first of them, and how many more there are."""
    more = len(names) - most
    told = ", ".join(names[:most])
    return f"{told} and {more} more" if more > 0 else told


@page("GET", section="integrations")
def diagnose(request: PageRequest, pk: UUID) -> HttpResponse:
    """Walk the checks for a company that is missing, asking the PSA right now."""
    integration = find_integration(request, pk)
    typed = request.GET.get("external_id", "").strip()[:MOST_TYPED]
    meant = company_meant(integration, typed)
    found = None
    if meant.external_id:
        try:
            found = diagnosis.diagnose(integration=integration, external_id=meant.external_id)
        except PsaError as error:
            messages.error(request, error.sentence)
    rows = list_psa_companies(integration)
    record: Any = rows.filter(external_id=meant.external_id).first()
    is_linked = record is not None and record.linked_company_id is not None
    context = {
        "integration": integration,
        "info": integration.psa_info,
        "typed": typed,
        "meant": meant,
        "diagnosis": found,
        "record": record,
        "needs_no_place": is_linked or (found is not None and not found.checks[0]["ok"]),
    }
    return render(request, "integrations/diagnosis.html", context)
