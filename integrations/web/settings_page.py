"""The pages of one connection, with everything that their templates show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from agreements.figures import Money
from agreements.models import Agreement
from agreements.overview import mrr_of_integration
from audit_site.pages.views import PageRequest, tenant_of
from audit_site.tenants.models import Role
from audit_site.tenants.selectors import admins_of
from integrations.connecting.credentials import open_fields
from integrations.connecting.guides import guide_of
from integrations.connecting.health import Health, is_old_news
from integrations.connecting.selectors import LatestWork, list_integrations
from integrations.importing.connection_cards import ConnectionCard, connection_card
from integrations.importing.rules import title_of
from integrations.models import CompanyLink, Integration
from integrations.psa.contract import PsaInfo
from integrations.runs import schedule
from integrations.web import run_progress
from integrations.web.forms import CredentialForm, NameForm, PauseForm, ScheduleForm
from integrations.words.selectors import count_waiting


def connect_page(
    request: PageRequest, info: PsaInfo, form: CredentialForm, status: int = 200
) -> HttpResponse:
    """The form for a new connection, beside the walk-through."""
    context = {**_form_context(request, info), "form": form}
    return render(request, "integrations/connect.html", context, status=status)


def settings_page(
    request: PageRequest, integration: Integration, status: int = 200, **forms: Any
) -> HttpResponse:
    """Integration Settings of a connection: its keys, test, last sync, schedule and pause.

    `forms` are those that were refused: `keys_form`, `name_form`, `schedule_form`, `pause_form`.
    """
    card = connection_card(integration, request.user)
    is_locked = not request.membership.has_role(Role.ADMIN)
    context = {
        **_form_context(request, integration.psa_info),
        **status_context(integration, card.latest, card.health),
        "card": card,
        "card_id": str(integration.pk),
        "hidden": _hidden(card),
        "keys_form": keys_form(integration, saved=card.secrets, is_locked=is_locked),
        "name_form": NameForm(initial={"name": integration.name}, is_locked=is_locked),
        "schedule_form": ScheduleForm(integration, is_locked=is_locked),
        "pause_form": PauseForm(),
        "next_sync": schedule.next_at(integration),
        "waiting_words": count_waiting(integration),
        "other_accounts": _other_accounts(integration),
        **forms,
    }
    return render(request, "integrations/settings.html", context, status=status)


def _other_accounts(integration: Integration) -> QuerySet[Integration]:
    """Where its audITees could move to."""
    return list_integrations(integration.tenant).exclude(pk=integration.pk)


def _hidden(card: ConnectionCard) -> list[tuple[str, str, int]]:
    """Why companies of the import list can't be added (code and words), and how many each time."""
    name = card.integration.psa_info.name
    return [(code, title_of(code, name), number) for code, number in card.companies.hidden.items()]


def _form_context(request: PageRequest, info: PsaInfo) -> dict[str, Any]:
    return {"info": info, "guide": guide_of(info), "admins": admins_of(tenant_of(request))}


def keys_form(integration: Integration, typed: Any = None, **options: Any) -> CredentialForm:
    """The keys of a connection: the new ones, while they are tested or after they were refused."""
    info, candidate = integration.psa_info, integration.candidate or {}
    return CredentialForm(
        info,
        typed,
        stored=integration.credentials,
        proposed=open_fields(info, candidate.get("credentials", {})),
        **options,
    )


def status_context(integration: Integration, latest: LatestWork, health: Health) -> dict[str, Any]:
    """What `_status.html` shows: health and newest work of a connection, and when to ask again."""
    status = run_progress.live(latest.run) if latest.run else None
    address = reverse("integrations:status", args=[integration.pk])
    return {
        "integration": integration,
        "latest": latest,
        "health": health,
        "is_old_news": is_old_news(latest.test, health),
        "run": latest.run,
        "status": status,
        "poll_address": run_progress.poll_address(address, status),
        "poll_ms": run_progress.poll_ms(*latest.works),
    }


@dataclass(frozen=True, slots=True)
class Remains:
    """What stays of a disconnected account; `totals` is its MRR of today, from what is stored."""

    links: int
    agreements: int
    totals: list[Money]


def disconnected_page(
    request: PageRequest, integration: Integration, form: CredentialForm, status: int = 200
) -> HttpResponse:
    """What stays of a disconnected account, and the form that connects it again."""
    card = connection_card(integration, request.user)
    context = {
        **_form_context(request, integration.psa_info),
        "integration": integration,
        "card": card,
        "form": form,
        "other_accounts": _other_accounts(integration),
        "remains": Remains(
            CompanyLink.objects.of(integration).in_force().count(),
            Agreement.objects.of(integration).present().count(),
            mrr_of_integration(integration),
        ),
    }
    return render(request, "integrations/disconnected.html", context, status=status)
