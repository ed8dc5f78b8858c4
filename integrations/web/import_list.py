"""Pages of the import list: what can be added, adding it, and why one is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import ascii_lowercase
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from audit_site.errors import DomainError
from audit_site.limits import TooManyRequestsError
from audit_site.pages.views import PageRequest, came_from, page, tenant_of
from audit_site.tenants.models import Role
from companies.services import licence
from integrations.importing import finding, ignoring, import_companies
from integrations.importing.import_rows import ImportRow, import_rows
from integrations.importing.selectors import chosen_companies, list_psa_companies, looked_at
from integrations.models import Integration
from integrations.psa.errors import PsaError
from integrations.web.import_page import import_page, import_row
from integrations.web.integrations import find_integration
from integrations.web.new_companies import new_since

#: Longer is no id and no name.
MOST_TYPED = 255


@page("GET", section="integrations")
def import_list(request: PageRequest, pk: UUID) -> HttpResponse:
    """Every company of the PSA: importable, or why not, and what is new in it."""
    integration = find_integration(request, pk)
    since = new_since(request, integration)
    context = {
        "integration": integration,
        "info": integration.psa_info,
        "page": import_page(integration, request.GET, since),
        "letters": ascii_lowercase,
        "licence": licence(tenant_of(request)),
    }
    return render(request, "integrations/import_list.html", context)


@page("POST", role=Role.MEMBER, section="integrations")
def import_chosen(request: PageRequest, pk: UUID) -> HttpResponse:
    """Import what was ticked; asks first when the licence has no room for all of it.

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
        read = "are read when it is resumed" if integration.is_paused else "are being read"
        messages.success(request, f"{count} {noun} here now; the agreements {read}.")
    for sentence in _rejections(integration, result):
        messages.error(request, sentence)
    if result.sync_run:
        return redirect("integrations:run", result.sync_run.pk)
    return redirect("integrations:import-list", pk)


@page("POST", role=Role.MEMBER, section="integrations")
def ignore(request: PageRequest, pk: UUID) -> HttpResponse:
    """Put a company aside, from the list and back to it."""
    return _changed(
        request, pk, ignoring.ignore_company, "is ignored. Show ignored ones to take it back."
    )


@page("POST", role=Role.MEMBER, section="integrations")
def unignore(request: PageRequest, pk: UUID) -> HttpResponse:
    """Take that back."""
    return _changed(request, pk, ignoring.unignore_company, "is not ignored any more.")


def _changed(
    request: PageRequest, pk: UUID, change: Callable[..., None], said: str
) -> HttpResponse:
    """Change one company; with a script its row takes the place of the old one."""
    integration, external_id = find_integration(request, pk), request.POST.get("external_id", "")
    try:
        change(integration=integration, external_id=external_id, actor=request.user)
    except DomainError as error:
        if not request.htmx:
            raise
        messages.error(request, error.sentence)
        return HttpResponse(headers={"HX-Refresh": "true"})
    if request.htmx:
        row = import_row(integration, external_id, looked_at(integration, request.user))
        context = {"integration": integration, "info": integration.psa_info, "row": row}
        return render(request, "integrations/_import_row.html", context)
    name = names_of(integration, [external_id])[external_id]
    messages.success(request, f"“{name}” {said}")
    return redirect(came_from(request, reverse("integrations:import-list", args=[integration.pk])))


def _rejections(integration: Integration, result: import_companies.ImportResult) -> list[str]:
    """Which could not be imported: a sentence for each reason."""
    ids = [rejected.external_id for rejected in result.rejected]
    names = names_of(integration, ids)
    by_reason: dict[str, list[str]] = {}
    for rejected in result.rejected:
        name = names.get(rejected.external_id, rejected.external_id)
        by_reason.setdefault(rejected.message, []).append(name)
    return [f"Not imported: {some_of(who)}. {reason}" for reason, who in by_reason.items()]


def names_of(integration: Integration, external_ids: Sequence[str]) -> dict[str, str]:
    """The names of PSA companies by their ids; none for what is not there."""
    rows = integration.psa_companies.filter(
        tenant=integration.tenant_id, external_id__in=external_ids
    )
    return dict(rows.values_list("external_id", "name"))


def some_of(names: list[str], most: int = 5) -> str:
    """The first of them, and how many more there are."""
    more = len(names) - most
    first = ", ".join(names[:most])
    return f"{first} and {more} more" if more > 0 else first


@page("GET", section="integrations")
def find_company(request: PageRequest, pk: UUID) -> HttpResponse:
    """Where is a company? Ask the PSA right now, by name and id, and walk what each hit needs.

    Where the PSA can't be asked, or shows none, what the last sync saw is shown, and called so.
    """
    integration = find_integration(request, pk)
    typed = request.GET.get("q", "").strip()[:MOST_TYPED]
    found = None
    try:
        found = finding.find_companies(integration=integration, text=typed) if typed else None
    except (PsaError, TooManyRequestsError) as error:  # a redirect would come back to here
        messages.error(request, error.sentence)
    is_found = not typed or (found is not None and found.hits)
    context = {
        "integration": integration,
        "info": integration.psa_info,
        "typed": typed,
        "found": found,
        "listed": [] if is_found else _listed(integration, typed),
    }
    return render(request, "integrations/find.html", context)


def _listed(integration: Integration, typed: str) -> list[ImportRow]:
    """What the last sync saw of it."""
    records = list_psa_companies(integration, search=typed)[: finding.MOST_HITS]
    return import_rows(records, None)
