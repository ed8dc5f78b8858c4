"""Pages of connections: cards, settings, connection test, schedule, disconnect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from audit_site.errors import FieldErrors
from audit_site.pages.views import PageRequest, find, page, tenant_of, watched
from audit_site.tenants.models import Role
from audit_site.tenants.selectors import admins_of
from integrations.connecting import connection_test, lifecycle
from integrations.connecting.guides import guide_of
from integrations.connecting.health import Health, health_now
from integrations.connecting.selectors import LatestWork, latest_of, list_integrations
from integrations.importing.connection_cards import (
    ConnectionCard,
    connection_card,
    connection_cards,
)
from integrations.models import CompanyLink, Integration
from integrations.psa import registry
from integrations.psa.contract import PsaInfo
from integrations.runs import schedule, starting
from integrations.web import run_progress
from integrations.web.forms import CredentialForm, ScheduleForm
from integrations.web.runs import to_run
from integrations.words.selectors import count_waiting


@dataclass(frozen=True, slots=True)
class PsaPanel:
    """A PSA with the tenant's connections to it."""

    info: PsaInfo
    cards: list[ConnectionCard]


@page("GET", section="integrations")
def integrations(request: PageRequest) -> HttpResponse:
    """A panel for each PSA, with the accounts that are connected."""
    tenant = tenant_of(request)
    cards = connection_cards(tenant, request.user, list(list_integrations(tenant)))
    panels = [
        PsaPanel(info, [card for card in cards if card.integration.psa == info.key])
        for info in registry.infos()
    ]
    return render(request, "integrations/list.html", {"panels": panels})


def settings_page(
    request: PageRequest,
    info: PsaInfo,
    form: CredentialForm,
    integration: Integration | None,
    status: int = 200,
    schedule_form: ScheduleForm | None = None,
) -> HttpResponse:
    """The form with the walk-through; of a connection also its test, last sync and schedule."""
    context: dict[str, Any] = {
        "info": info,
        "form": form,
        "guide": guide_of(info),
        "admins": admins_of(tenant_of(request)),
    }
    if integration is not None:
        may = request.membership.has_role(Role.ADMIN)
        card = connection_card(integration, request.user)
        context |= {
            **_status_context(integration, card.latest, card.health),
            "card": card,
            "schedule_form": schedule_form or ScheduleForm(integration, is_locked=not may),
            "next_sync": schedule.next_at(integration),
            "waiting_words": count_waiting(integration),
        }
    return render(request, "integrations/settings.html", context, status=status)


def _status_context(integration: Integration, latest: LatestWork, health: Health) -> dict[str, Any]:
    """What `_status.html` shows: health and newest work of a connection, and when to ask again."""
    status = run_progress.live(latest.run) if latest.run else None
    address = reverse("integrations:status", args=[integration.pk])
    return {
        "integration": integration,
        "latest": latest,
        "health": health,
        "run": latest.run,
        "status": status,
        "poll_address": run_progress.poll_address(address, status),
        "poll_seconds": run_progress.poll_seconds(*latest.works),
    }


@page("GET", "POST", section="integrations")
def connect(request: PageRequest, psa: str) -> HttpResponse:
    """The form for a new connection, beside the walk-through."""
    try:
        info = registry.get_adapter(psa).info
    except KeyError:
        raise Http404 from None
    may = request.membership.has_role(Role.ADMIN)
    form = CredentialForm(info, request.POST or None, is_locked=not may)
    if request.method == "POST":
        return _connect(request, info, form)
    return settings_page(request, info, form, None)


@page("POST", role=Role.ADMIN, section="integrations")
def _connect(request: PageRequest, info: PsaInfo, form: CredentialForm) -> HttpResponse:
    if form.is_valid():
        try:
            integration, _ = lifecycle.create_integration(
                tenant=tenant_of(request),
                actor=request.user,
                psa=info.key,
                credentials=form.credentials(),
                name=form.cleaned_data["name"],
            )
        except FieldErrors as error:
            form.add_field_errors(error)
        except lifecycle.IntegrationExistsError as error:
            if error.integration is None:
                raise
            form.add_existing(error.integration, error.message)
        else:
            return redirect("integrations:settings", integration.pk)
    return settings_page(request, info, form, None, status=422)


def find_integration(request: PageRequest, pk: UUID) -> Integration:
    return find(list_integrations(tenant_of(request)), pk)


@page("GET", "POST", section="integrations")
def settings(request: PageRequest, pk: UUID) -> HttpResponse:
    """Integration Settings of a connection: its keys, its test, its last sync."""
    integration = find_integration(request, pk)
    info = integration.psa_info
    form = _settings_form(request, info, integration, request.POST or None)
    if request.method == "POST":
        return _save_settings(request, integration, form)
    return settings_page(request, info, form, integration)


def _settings_form(
    request: PageRequest, info: PsaInfo, integration: Integration, typed: Any = None
) -> CredentialForm:
    may = request.membership.has_role(Role.ADMIN)
    return CredentialForm(
        info,
        typed,
        stored=integration.credentials,
        initial={"name": integration.name},
        is_locked=not may,
    )


@page("POST", role=Role.ADMIN, section="integrations")
def _save_settings(
    request: PageRequest, integration: Integration, form: CredentialForm
) -> HttpResponse:
    if form.is_valid():
        try:
            lifecycle.update_integration(
                integration=integration,
                actor=request.user,
                credentials=form.credentials(),
                name=form.cleaned_data["name"] or None,
            )
        except FieldErrors as error:
            form.add_field_errors(error)
        else:
            return redirect("integrations:settings", integration.pk)
    return settings_page(request, form.info, form, integration, status=422)


@page("POST", role=Role.ADMIN, section="integrations")
def save_schedule(request: PageRequest, pk: UUID) -> HttpResponse:
    """Automatic sync of a connection: off, every hour, or every night."""
    integration = find_integration(request, pk)
    form = ScheduleForm(integration, request.POST)
    if form.is_valid():
        schedule.set_schedule(integration=integration, actor=request.user, **form.cleaned_data)
        messages.success(request, "Automatic sync is saved.")
        return redirect("integrations:settings", pk)
    info = integration.psa_info
    credentials = _settings_form(request, info, integration)
    return settings_page(request, info, credentials, integration, status=422, schedule_form=form)


@page("GET", section="integrations")
def status_fragment(request: PageRequest, pk: UUID) -> HttpResponse:
    """Test and last sync of a connection, asked for every second while one is under way."""
    integration = find_integration(request, pk)
    latest = latest_of(integration)
    context = {
        **_status_context(integration, latest, health_now(integration, latest)),
        "announced": request.GET.get("told", ""),
        "is_fragment": True,
    }
    return watched(request, "integrations/_status.html", context, context["poll_seconds"])


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


@page("POST", role=Role.MEMBER, section="integrations")
def sync_now(request: PageRequest, pk: UUID) -> HttpResponse:
    run, is_new = starting.start_sync_run(
        integration=find_integration(request, pk), actor=request.user
    )
    return to_run(request, run, is_new)
