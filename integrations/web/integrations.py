"""Pages of connections: their list, and what is done with one; its forms are in `connecting`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from audit_site.pages.views import (
    Elsewhere,
    PageRequest,
    came_from,
    page,
    tenant_of,
    watched,
)
from audit_site.tenants.models import Role
from integrations.connecting import connection_test, lifecycle
from integrations.connecting.selectors import (
    INTEGRATION,
    DisconnectedAccount,
    disconnected_accounts,
    last_successes,
    list_integrations,
)
from integrations.importing.connection_cards import ConnectionRow, connection_rows
from integrations.models import CompanyLink, Integration
from integrations.psa import registry
from integrations.psa.contract import PsaInfo
from integrations.runs import pausing, starting
from integrations.web.connection_page import watched_state
from integrations.web.next_steps import Step, next_steps
from integrations.web.runs import to_run


@dataclass(frozen=True, slots=True)
class ListedConnection:
    """A row of the list, with what there is to do about it."""

    row: ConnectionRow
    steps: list[Step]
    last_success_at: datetime | None


@dataclass(frozen=True, slots=True)
class PsaPanel:
    """A PSA that can be connected, and accounts of it that were disconnected."""

    info: PsaInfo
    is_connected: bool
    disconnected: list[DisconnectedAccount]


@page("GET", section="integrations")
def integrations(request: PageRequest) -> HttpResponse:
    """A row for each connection, then each PSA that can be connected."""
    tenant = tenant_of(request)
    listed = list(list_integrations(tenant))
    successes = last_successes(tenant, listed)
    rows = [
        ListedConnection(row, next_steps(row), successes.get(row.integration.pk))
        for row in connection_rows(tenant, request.user, listed)
    ]
    connected = {row.psa for row in listed}
    ended = disconnected_accounts(tenant)
    panels = [
        PsaPanel(
            info,
            info.key in connected,
            [account for account in ended if account.integration.psa == info.key],
        )
        for info in registry.infos()
    ]
    return render(request, "integrations/list.html", {"rows": rows, "panels": panels})


def find_integration(request: PageRequest, pk: UUID) -> Integration:
    """One that is connected; a disconnected one leads to its page, which says what stays of it."""
    found = INTEGRATION.first(tenant_of(request).pk, pk)
    if found is None:
        raise Http404
    if not found.is_disconnected:
        return found
    undone = ", so nothing was done" if request.method == "POST" else ""
    address = reverse("integrations:settings", args=[pk])
    raise Elsewhere(address, f"{found.name} is disconnected{undone}.")


@page("GET", section="integrations")
def status_fragment(request: PageRequest, pk: UUID) -> HttpResponse:
    """Test and last sync of a connection, asked for every second while one is under way."""
    integration = find_integration(request, pk)
    template, state = watched_state(integration, request.GET.get("part", ""))
    context = {**state, "announced": request.GET.get("told", ""), "is_fragment": True}
    return watched(request, template, context, state["poll_ms"])


@page("POST", role=Role.MEMBER, section="integrations")
def test_now(request: PageRequest, pk: UUID) -> HttpResponse:
    connection_test.start_connection_test(
        integration=find_integration(request, pk), actor=request.user
    )
    return redirect(came_from(request, reverse("integrations:settings", args=[pk])))


@page("POST", role=Role.ADMIN, section="integrations")
def forget_keys(request: PageRequest, pk: UUID) -> HttpResponse:
    """Drop new keys that were refused; the keys in use stay as they are."""
    if lifecycle.forget_refused(integration=find_integration(request, pk), actor=request.user):
        messages.success(request, "The refused keys are forgotten. The keys in use go on working.")
    return redirect("integrations:setup", pk)


@page("GET", "POST", role=Role.ADMIN, section="integrations")
def disconnect(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask once more, then destroy the credentials."""
    integration = find_integration(request, pk)
    if request.method == "POST":
        lifecycle.disconnect_integration(integration=integration, actor=request.user)
        messages.success(
            request,
            f"{integration.name} is disconnected and its keys are destroyed. "
            "Your audITees and their MRR stay as they were last seen.",
        )
        return redirect("integrations:list")
    links = CompanyLink.objects.of(integration).in_force().count()
    context = {"integration": integration, "info": integration.psa_info, "links": links}
    return render(request, "integrations/disconnect.html", context)


@page("POST", role=Role.ADMIN, section="integrations")
def resume(request: PageRequest, pk: UUID) -> HttpResponse:
    """End a pause, and go back to where the button was."""
    integration = find_integration(request, pk)
    pausing.resume_integration(integration=integration, actor=request.user)
    messages.success(request, f"{integration.name} is resumed. What was due meanwhile starts now.")
    return redirect(came_from(request, reverse("integrations:settings", args=[pk])))


@page("POST", role=Role.MEMBER, section="integrations")
def sync_now(request: PageRequest, pk: UUID) -> HttpResponse:
    run, is_new = starting.start_sync_run(
        integration=find_integration(request, pk), actor=request.user
    )
    return to_run(request, run, is_new)
