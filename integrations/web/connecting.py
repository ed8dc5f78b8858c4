"""Forms of a connection: connect, keys, name, schedule, pause; none loses what was typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from audit_site.errors import DomainError
from audit_site.pages.views import PageRequest, page, tenant_of
from audit_site.tenants.models import Role
from integrations.connecting import lifecycle
from integrations.connecting.selectors import INTEGRATION, latest_of
from integrations.models import Integration
from integrations.psa import registry
from integrations.psa.contract import PsaInfo
from integrations.runs import pausing, schedule
from integrations.web.connection_page import (
    activity_page,
    connect_page,
    disconnected_page,
    first_page,
    is_first_connect,
    keys_form,
    overview_page,
    setup_page,
)
from integrations.web.forms import CredentialForm, KeptForm, NameForm, PauseForm, ScheduleForm
from integrations.web.integrations import find_integration


def _saved(form: KeptForm, save: Callable[[], Any]) -> bool:
    """Whether what was typed could be saved; if not, the form says why."""
    if form.is_valid():
        try:
            save()
        except DomainError as error:
            form.add_explained(error)
    return form.is_valid()


def _onward(request: PageRequest, pk: UUID, name: str = "settings") -> HttpResponse:
    address = reverse(f"integrations:{name}", args=[pk])
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _refused(
    request: PageRequest, form: KeptForm, whole: Callable[[], HttpResponse]
) -> HttpResponse:
    """The errors alone, where a script keeps what was typed; else the whole page again."""
    if request.htmx:
        return render(request, "components/kept_errors.html", {"form": form}, status=422)
    form.ask_for_secrets_again()
    return whole()


# A new connection


@page("GET", "POST", section="integrations")
def connect(request: PageRequest, psa: str) -> HttpResponse:
    """The form for a new connection, beside the walk-through."""
    try:
        info = registry.get_adapter(psa).info
    except KeyError:
        raise Http404 from None
    if request.method == "POST":
        return _connect(request, info)
    may = request.membership.has_role(Role.ADMIN)
    return connect_page(request, info, CredentialForm(info, asks_name=True, is_locked=not may))


@page("POST", role=Role.ADMIN, section="integrations")
def _connect(request: PageRequest, info: PsaInfo) -> HttpResponse:
    form = CredentialForm(info, request.POST, asks_name=True)
    made: list[Integration] = []

    def save() -> None:
        integration, _ = lifecycle.create_integration(
            tenant=tenant_of(request),
            actor=request.user,
            psa=info.key,
            credentials=form.credentials(),
            name=form.cleaned_data["name"],
        )
        made.append(integration)

    if _saved(form, save):
        return _onward(request, made[0].pk)
    return _refused(request, form, lambda: connect_page(request, info, form, status=422))


# One that is there


@page("GET", "POST", section="integrations")
def settings(request: PageRequest, pk: UUID) -> HttpResponse:
    """A connection: while it is new its checklist, then its overview; of a disconnected one what
    stays, and Reconnect.
    """
    integration = INTEGRATION.first(tenant_of(request).pk, pk)
    if integration is None:
        raise Http404
    if request.method == "POST":
        return (_reconnect if integration.is_disconnected else _save_keys)(request, integration)
    if integration.is_disconnected:
        may = request.membership.has_role(Role.ADMIN)
        return disconnected_page(request, integration, keys_form(integration, is_locked=not may))
    latest = latest_of(integration)
    show = first_page if is_first_connect(integration, latest) else overview_page
    return show(request, integration, latest)


@page("GET", section="integrations")
def setup(request: PageRequest, pk: UUID) -> HttpResponse:
    return setup_page(request, find_integration(request, pk))


@page("GET", section="integrations")
def activity(request: PageRequest, pk: UUID) -> HttpResponse:
    return activity_page(request, find_integration(request, pk))


@page("POST", role=Role.ADMIN, section="integrations")
def _save_keys(request: PageRequest, integration: Integration) -> HttpResponse:
    form = keys_form(integration, request.POST)

    def save() -> None:
        lifecycle.update_integration(
            integration=integration, actor=request.user, credentials=form.credentials()
        )

    latest = latest_of(integration)
    is_first = is_first_connect(integration, latest)
    if _saved(form, save):
        return _onward(request, integration.pk, "settings" if is_first else "setup")
    if is_first:
        return _refused(request, form, lambda: first_page(request, integration, latest, form, 422))
    return _refused(request, form, lambda: setup_page(request, integration, 422, keys_form=form))


@page("POST", role=Role.ADMIN, section="integrations")
def _reconnect(request: PageRequest, integration: Integration) -> HttpResponse:
    form = keys_form(integration, request.POST)

    def save() -> None:
        lifecycle.reconnect_integration(
            integration=integration, actor=request.user, credentials=form.credentials()
        )

    if _saved(form, save):
        return _onward(request, integration.pk)
    return _refused(request, form, lambda: disconnected_page(request, integration, form, 422))


@page("POST", role=Role.ADMIN, section="integrations")
def rename(request: PageRequest, pk: UUID) -> HttpResponse:
    integration = find_integration(request, pk)
    form = NameForm(request.POST)

    def save() -> None:
        name = form.cleaned_data["name"] or integration.psa_info.name
        lifecycle.update_integration(integration=integration, actor=request.user, name=name)

    if _saved(form, save):
        messages.success(request, f"It is called {integration.name} now.")
        return _onward(request, pk, "setup")
    return _refused(request, form, lambda: setup_page(request, integration, 422, name_form=form))


@page("POST", role=Role.ADMIN, section="integrations")
def save_schedule(request: PageRequest, pk: UUID) -> HttpResponse:
    """Automatic sync of a connection: off, every hour, or every night."""
    integration = find_integration(request, pk)
    form = ScheduleForm(integration, request.POST)
    if form.is_valid():
        schedule.set_schedule(integration=integration, actor=request.user, **form.cleaned_data)
        messages.success(request, "Automatic sync is saved.")
        return redirect("integrations:setup", pk)
    return setup_page(request, integration, 422, schedule_form=form)


@page("POST", role=Role.ADMIN, section="integrations")
def pause(request: PageRequest, pk: UUID) -> HttpResponse:
    """Start nothing by itself until a moment, or until somebody resumes it."""
    integration = find_integration(request, pk)
    form = PauseForm(request.POST)

    def save() -> None:
        pausing.pause_integration(
            integration=integration, actor=request.user, until=form.cleaned_data["until"]
        )

    if _saved(form, save):
        messages.success(request, f"{integration.name} is paused.")
        return redirect("integrations:setup", pk)
    return setup_page(request, integration, 422, pause_form=form)
