"""The page of the import list over all connections, and what is done from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse

from audit_site.errors import DomainError
from audit_site.pages.views import PageRequest, came_from, page, tenant_of
from audit_site.tenants.models import Role
from companies.services import licence
from integrations.connecting.selectors import list_integrations
from integrations.importing import ignoring, proposing, selection
from integrations.importing.facets import facets_of
from integrations.importing.last_viewed import looked_at_all
from integrations.importing.table import Filters, condition, rows_of, with_links
from integrations.models import Integration, PsaCompanyRecord
from integrations.web.chosen_bar import chosen_bar
from integrations.web.import_filters import address_of, read_filters, tabs_of
from integrations.web.import_page import import_page
from integrations.web.integrations import find_integration
from integrations.web.new_companies import new_since
from integrations.web.table_rows import table_rows

LETTERS = "abcdefghijklmnopqrstuvwxyz"
#: What an address may say and still open the list, as a link from elsewhere does.
OPENING = {"connection", "new"}


def lists_of(request: PageRequest) -> list[Integration]:
    """The connections whose companies are shown."""
    return list(list_integrations(tenant_of(request)))


@page("GET", section="import")
def import_list(request: PageRequest) -> HttpResponse:
    """Every company of every PSA: what it would become, or why not, and what is new."""
    integrations = lists_of(request)
    filters = read_filters(request.GET)
    narrowed = any(value for name, value in request.GET.items() if name not in OPENING)
    shown = [one for one in integrations if filters.connection in {None, one.pk}]
    since = new_since(request, shown, is_opening=not request.htmx and not narrowed)
    if filters.new and "tab" not in request.GET:
        filters = replace(filters, tab=type(filters.tab).ALL)
    filters = replace(filters, since=since)
    allowance = licence(tenant_of(request))
    chosen = selection.selection_of(tenant_of(request), request.user)
    context = {
        "page": import_page(chosen, integrations, filters, request.GET, allowance.free),
        "integrations": integrations,
        "letters": LETTERS,
        "licence": allowance,
    }
    return render(request, "integrations/import_list.html", context)


@page("GET", section="import")
def list_of_connection(request: PageRequest, pk: UUID) -> HttpResponse:
    """Where the list of one connection was: the way to it in the list of all."""
    integration = find_integration(request, pk)
    asked, tab = request.GET, ""
    if asked.get("importable") == "yes":
        tab = "add"
    elif asked.get("linked") == "yes":
        tab = "linked"
    elif asked.get("ignored") == "yes":
        tab = "ignored"
    elif asked.get("importable") == "no":
        tab = "hidden"
    elif asked.get("search") or asked.get("status"):
        tab = "all"
    said = {name: asked.get(name, "") for name in ("search", "status", "new", "from")}
    query = {"connection": str(integration.pk), "tab": tab, **said}
    kept = urlencode({name: value for name, value in query.items() if value})
    return redirect(f"{reverse('integrations:import')}?{kept}")


@page("POST", role=Role.MEMBER, section="import")
def choose(request: PageRequest) -> HttpResponse:
    """Keep what is ticked on a page, then do what the pressed button says.

    With a script each tick is sent at once, and the bar alone comes back.
    """
    integrations = lists_of(request)
    filters = _filters_sent(request, integrations)
    keep_ticks(request)
    if request.htmx:
        context = _counted(request, integrations, filters)
        return render(request, "integrations/_import_bar.html", context)
    act = ACTS.get(request.POST.get("do", ""))
    if act is not None:
        return act(request, integrations, filters)
    asked = request.POST.get("goto", "")
    here = reverse("integrations:import")
    return redirect(f"{here}{asked}" if asked.startswith("?") else _back(filters))


def keep_ticks(request: PageRequest) -> None:
    """Keep what is ticked on the page that a form stands on; one without boxes changes nothing."""
    if shown := ids_sent(request, "shown"):
        ticked = ids_sent(request, "ticked")
        selection.tick(tenant=tenant_of(request), user=request.user, shown=shown, ticked=ticked)


def _filters_sent(request: PageRequest, integrations: Sequence[Integration]) -> Filters:
    """The filters of the page that the form stands on."""
    filters = read_filters(QueryDict(request.POST.get("filters", "")))
    if not filters.new:
        return filters
    return replace(filters, since=new_since(request, integrations, is_opening=False))


def ids_sent(request: PageRequest, name: str) -> list[UUID]:
    """Ids of rows that a form sends; what is none is left out."""
    found = []
    for text in request.POST.getlist(name):
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _back(filters: Filters) -> str:
    return address_of(filters)


def _counted(
    request: PageRequest, integrations: Sequence[Integration], filters: Filters
) -> dict[str, Any]:
    """What a page counts around its rows: the bar and the tabs."""
    tenant = tenant_of(request)
    chosen = selection.selection_of(tenant, request.user)
    facets = facets_of(rows_of(tenant, integrations), filters)
    free = licence(tenant).free
    return {
        "bar": chosen_bar(chosen, integrations, filters, free, facets),
        "tabs": tabs_of(filters, facets),
    }


def _choose_all(
    request: PageRequest, integrations: Sequence[Integration], filters: Filters
) -> HttpResponse:
    selection.choose_all(tenant=tenant_of(request), user=request.user, filters=filters)
    return redirect(_back(filters))


def _choose_sure(
    request: PageRequest, integrations: Sequence[Integration], filters: Filters
) -> HttpResponse:
    rows = rows_of(tenant_of(request), integrations).filter(condition(filters))
    selection.choose_sure(tenant=tenant_of(request), user=request.user, rows=rows)
    return redirect(_back(filters))


def _choose_none(
    request: PageRequest, integrations: Sequence[Integration], filters: Filters
) -> HttpResponse:
    selection.choose_none(tenant=tenant_of(request), user=request.user)
    return redirect(_back(filters))


def _review(
    request: PageRequest, integrations: Sequence[Integration], filters: Filters
) -> HttpResponse:
    try:
        batch = proposing.propose_selection(
            tenant=tenant_of(request), integrations=integrations, actor=request.user
        )
    except DomainError as error:
        messages.info(request, error.sentence)
        return redirect(_back(filters))
    return redirect("integrations:import-batch", batch.pk)


def _chosen(request: PageRequest, integrations: Sequence[Integration]) -> Any:
    chosen = selection.selection_of(tenant_of(request), request.user)
    return selection.chosen_rows(chosen, integrations)


def _ignore(
    request: PageRequest, integrations: Sequence[Integration], filters: Filters
) -> HttpResponse:
    return _put_aside(request, _chosen(request, integrations), filters)


def _ignore_matching(
    request: PageRequest, integrations: Sequence[Integration], filters: Filters
) -> HttpResponse:
    """All that the filters show, ticked or not: what can't be added has no box to tick."""
    rows = rows_of(tenant_of(request), integrations).filter(condition(filters))
    return _put_aside(request, rows, filters)


def _put_aside(request: PageRequest, rows: Any, filters: Filters) -> HttpResponse:
    number = ignoring.ignore_all(rows=rows, actor=request.user)
    selection.choose_none(tenant=tenant_of(request), user=request.user)
    ignored = "company is" if number == 1 else "companies are"
    said = f"{number:,} {ignored} ignored. Under Ignored you can take that back."
    messages.success(request, said)
    return redirect(_back(filters))


def _unignore(
    request: PageRequest, integrations: Sequence[Integration], filters: Filters
) -> HttpResponse:
    number = ignoring.unignore_all(rows=_chosen(request, integrations), actor=request.user)
    selection.choose_none(tenant=tenant_of(request), user=request.user)
    ignored = "company is" if number == 1 else "companies are"
    messages.success(request, f"{number:,} {ignored} not ignored any more.")
    return redirect(_back(filters))


Act = Callable[[PageRequest, Sequence[Integration], Filters], HttpResponse]
#: What the buttons of the bar do.
ACTS: dict[str, Act] = {
    "all": _choose_all,
    "sure": _choose_sure,
    "none": _choose_none,
    "review": _review,
    "ignore": _ignore,
    "ignore-matching": _ignore_matching,
    "unignore": _unignore,
}


@page("POST", role=Role.MEMBER, section="import")
def ignore(request: PageRequest, pk: UUID) -> HttpResponse:
    """Put a company aside, from its row and back to it."""
    return _changed(
        request, pk, ignoring.ignore_company, "is ignored. Under Ignored you can take that back."
    )


@page("POST", role=Role.MEMBER, section="import")
def unignore(request: PageRequest, pk: UUID) -> HttpResponse:
    """Take that back."""
    return _changed(request, pk, ignoring.unignore_company, "is not ignored any more.")


def _changed(
    request: PageRequest, pk: UUID, change: Callable[..., None], said: str
) -> HttpResponse:
    """Change one company of the list; with a script its row and what counts it are sent."""
    tenant = tenant_of(request)
    rows = PsaCompanyRecord.objects.for_tenant(tenant).select_related("integration__tenant")
    record = rows.filter(pk=pk).first()
    if record is None:
        raise Http404
    integration = find_integration(request, record.integration_id)
    if not request.htmx:
        keep_ticks(request)
    try:
        change(integration=integration, external_id=record.external_id, actor=request.user)
    except DomainError as error:
        if not request.htmx:
            raise
        messages.error(request, error.sentence)
        return HttpResponse(headers={"HX-Refresh": "true"})
    if request.htmx:
        integrations = lists_of(request)
        counted = _counted(request, integrations, _filters_sent(request, integrations))
        row = {"row": _row(request, integration, pk), "several": len(integrations)}
        return render(request, "integrations/_import_changed.html", {**row, **counted})
    messages.success(request, f"“{record.name}” {said}")
    return redirect(came_from(request, reverse("integrations:import")))


def _row(request: PageRequest, integration: Integration, pk: UUID) -> Any:
    """One row, as the list shows it."""
    tenant = tenant_of(request)
    records = list(with_links(rows_of(tenant, [integration]).filter(pk=pk)))
    chosen = selection.selection_of(tenant, request.user)
    since = looked_at_all(tenant, [integration], request.user)
    return table_rows(chosen, records, {integration.pk: integration}, since)[0]
