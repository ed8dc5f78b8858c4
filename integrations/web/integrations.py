"""Pages of connections: cards, and what is done with one; its forms are in `connecting`."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from audit_site.pages.views import (
    Elsewhere,
    PageRequest,
    came_from,
    find,
    page,
    tenant_of,
    watched,
)
from audit_site.tenants.models import Role
from integrations.connecting import connection_test, lifecycle
from integrations.connecting.health import health_now
from integrations.connecting.selectors import (
    DisconnectedAccount,
    disconnected_accounts,
    latest_of,
    list_integrations,
)
from integrations.importing.connection_cards import ConnectionCard, connection_cards
from integrations.models import CompanyLink, Integration
from integrations.psa import registry
from integrations.psa.contract import PsaInfo
from integrations.runs import pausing, starting
from integrations.web.runs import to_run
from integrations.web.settings_page import status_context


@dataclass(frozen=True, slots=True)
class PsaPanel:
    """A PSA with the tenant's connections to it, and those that were ended."""

    info: PsaInfo
    cards: list[ConnectionCard]
    disconnected: list[DisconnectedAccount]


@page("GET", section="integrations")
def integrations(request: PageRequest) -> HttpResponse:
    """A panel for each PSA, with the accounts that are connected."""
    tenant = tenant_of(request)
    cards = connection_cards(tenant, request.user, list(list_integrations(tenant)))
    ended = disconnected_accounts(tenant)
    panels = [
        PsaPanel(
            info,
            [card for card in cards if card.integration.psa == info.key],
            [account for account in ended if account.integration.psa == info.key],
        )
        for info in registry.infos()
    ]
    return render(request, "integrations/list.html", {"panels": panels})


def find_integration(request: PageRequest, pk: UUID) -> Integration:
    """One that is connected; a disconnected one leads to its page, which says what stays of it."""
    tenant = tenant_of(request)
    found = list_integrations(tenant).filter(pk=pk).first()
    if found is not None:
        return found
    ended = find(list_integrations(tenant, status=Integration.Status.DISCONNECTED), pk)
    undone = ", so nothing was done" if request.method == "POST" else ""
    address = reverse("integrations:settings", args=[pk])
    raise Elsewhere(address, f"{ended.name} is disconnected{undone}.")


@page("GET", section="integrations")
def status_fragment(request: PageRequest, pk: UUID) -> HttpResponse:
    """Test and last sync of a connection, asked for every second while one is under way."""
    integration = find_integration(request, pk)
    latest = latest_of(integration)
    context = {
        **status_context(integration, latest, health_now(integration, latest)),
        "announced": request.GET.get("told", ""),
        "is_fragment": True,
    }
    return watched(request, "integrations/_status.html", context, context["poll_ms"])


@page("POST", role=Role.MEMBER, section="integrations")
def test_now(request: PageRequest, pk: UUID) -> HttpResponse:
    connection_test.start_connection_test(
        integration=find_integration(request, pk), actor=request.user
    )
    return redirect("integrations:settings", pk)


@page("POST", role=Role.ADMIN, section="integrations")
def forget_keys(request: PageRequest, pk: UUID) -> HttpResponse:
    """Drop new keys that were refused; the keys in use stay as they are."""
    if lifecycle.forget_refused(integration=find_integration(request, pk), actor=request.user):
        messages.success(request, "The refused keys are forgotten. The keys in use go on working.")
    return redirect("integrations:settings", pk)


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
