"""The pages of one connection, with everything that their templates show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from agreements.figures import Money
from agreements.models import Agreement
from agreements.overview import mrr_of_integration
from audit_site.pages.views import PageRequest, paged, tenant_of
from audit_site.tenants.models import Role
from audit_site.tenants.selectors import admins_of
from companies.services import licence
from integrations.connecting.credentials import open_fields, saved_secrets
from integrations.connecting.guides import guide_of
from integrations.connecting.health import Health, health_now, is_old_news, read_since
from integrations.connecting.rights import rights_table
from integrations.connecting.selectors import LatestWork, latest_of, list_integrations
from integrations.importing.connection_cards import ConnectionRow, connection_card, connection_row
from integrations.importing.rules import title_of
from integrations.importing.table import TITLES, Tab
from integrations.issues.selectors import open_issues_of
from integrations.models import CompanyLink, ConnectionTest, Integration
from integrations.psa.contract import PsaInfo
from integrations.runs import schedule
from integrations.runs.selectors import last_full_runs, list_sync_runs
from integrations.web import run_progress
from integrations.web.forms import CredentialForm, NameForm, PauseForm, ScheduleForm
from integrations.web.next_steps import import_address, next_steps
from integrations.words.selectors import count_waiting

#: So many of the last runs are dots.
DOTS: Final = 10
#: What pages call `SyncRun.summary`.
FIGURES: Final = ("Seen", "New", "Changed", "Rejected")
#: The pages on which the state of a connection is watched, with what each shows of it.
PARTS: Final = {
    "": "integrations/_status.html",
    "setup": "integrations/_setup_status.html",
    "first": "integrations/_first_status.html",
}


# What the pages of a connection share


def state_of(
    integration: Integration, latest: LatestWork, health: Health, part: str = ""
) -> dict[str, Any]:
    """Health and newest work of a connection, and when to ask again for this `part` of a page."""
    status = run_progress.live(latest.run) if latest.run else None
    told = {"told": status.announcement} if status else {}
    address = reverse("integrations:status", args=[integration.pk])
    asked = urlencode({"part": part, **told} if part else told)
    return {
        "integration": integration,
        "info": integration.psa_info,
        "latest": latest,
        "health": health,
        "is_old_news": is_old_news(latest.test, health),
        "is_just_tested": _is_just_tested(latest),
        "run": latest.run,
        "status": status,
        "next_sync": schedule.next_at(integration),
        "part": part,
        "poll_address": f"{address}?{asked}" if asked else address,
        "poll_ms": run_progress.poll_ms(*latest.works),
        **(_of_part(integration, latest, part) if part else {}),
    }


def _is_just_tested(latest: LatestWork) -> bool:
    """Whether a test says what no run has found out since."""
    test = latest.test
    if test is None:
        return False
    return test.state != ConnectionTest.State.DONE or not read_since(latest.run, test)


def _of_part(integration: Integration, latest: LatestWork, part: str) -> dict[str, Any]:
    if part == "setup":
        return {"rights": rights_table(integration.psa_info, latest.test)}
    return {"found": integration.psa_companies.count() if integration.companies_read_at else None}


def watched_state(integration: Integration, part: str) -> tuple[str, dict[str, Any]]:
    """The template of a part of a page that is asked for again and again, and its context."""
    part = part if part in PARTS else ""
    latest = latest_of(integration)
    return PARTS[part], state_of(integration, latest, health_now(integration, latest), part)


def head_of(integration: Integration, tab: str, part: str = "") -> dict[str, Any]:
    """The head of a page of a connection, with the tab that is lit. Five statements at the most."""
    latest = latest_of(integration)
    waiting = open_issues_of(integration.tenant, [integration])
    return {
        **state_of(integration, latest, health_now(integration, latest), part),
        "open_issues": waiting.get(integration.pk, 0),
        "tab": tab,
    }


def _form_context(request: PageRequest, info: PsaInfo) -> dict[str, Any]:
    is_admin = request.membership.has_role(Role.ADMIN)
    return {
        "info": info,
        "guide": guide_of(info),
        "admins": [] if is_admin else admins_of(tenant_of(request)),
    }


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


def _locked_keys(request: PageRequest, integration: Integration) -> CredentialForm:
    """The keys as they are; only admins may type others."""
    saved = saved_secrets([integration])[integration.pk]
    is_locked = not request.membership.has_role(Role.ADMIN)
    return keys_form(integration, saved=saved, is_locked=is_locked)


# The first connect


def connect_page(
    request: PageRequest, info: PsaInfo, form: CredentialForm, status: int = 200
) -> HttpResponse:
    """The walk-through, beside it the form for a new connection."""
    context = {**_form_context(request, info), "keys_form": form}
    return render(request, "integrations/connect.html", context, status=status)


def is_first_connect(integration: Integration, latest: LatestWork) -> bool:
    """Whether nothing was ever read: its keys wait for a test, or its first run is under way."""
    if integration.companies_read_at or integration.is_paused:
        return False
    return integration.connected_at is None or bool(latest.run and latest.run.is_active)


def first_page(
    request: PageRequest,
    integration: Integration,
    latest: LatestWork,
    form: CredentialForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page of the first connect goes on: the checks stand where the button was."""
    context = {
        **_form_context(request, integration.psa_info),
        **state_of(integration, latest, health_now(integration, latest), "first"),
        "keys_form": form or _locked_keys(request, integration),
    }
    return render(request, "integrations/connect.html", context, status=status)


# The tabs


def overview_page(
    request: PageRequest, integration: Integration, latest: LatestWork | None = None
) -> HttpResponse:
    """Its companies in numbers, its last runs, and what there is to do."""
    row = connection_row(integration, request.user, latest)
    context = {
        **state_of(integration, row.latest, row.health),
        "open_issues": row.open_issues,
        "tab": "overview",
        "steps": next_steps(row),
        "counts": _counts(row),
        "free": licence(integration.tenant).free,
        "dots": last_full_runs(integration, DOTS),
    }
    return render(request, "integrations/overview.html", context)


@dataclass(frozen=True, slots=True)
class Count:
    """A number of the import list, and where it is looked at; `reasons` are what it is made of."""

    title: str
    number: int
    address: str
    reasons: tuple[Count, ...] = ()


def _counts(row: ConnectionRow) -> list[Count]:
    counts = row.companies
    numbers = {
        Tab.ALL: counts.found,
        Tab.ADD: counts.addable,
        Tab.SUGGESTED: counts.suggested_in_all,
        Tab.LINKED: counts.linked,
        Tab.IGNORED: counts.ignored,
        Tab.HIDDEN: counts.hidden_in_all,
    }
    always = {Tab.ALL, Tab.ADD, Tab.LINKED}
    return [
        Count(
            "Found" if tab == Tab.ALL else TITLES[tab],
            number,
            import_address(row, tab),
            tuple(_reasons(row)) if tab == Tab.HIDDEN else (),
        )
        for tab, number in numbers.items()
        if number or tab in always
    ]


def _reasons(row: ConnectionRow) -> Iterable[Count]:
    """Why companies can't be added, and how many each time."""
    name = row.integration.psa_info.name
    for code, number in row.companies.hidden.items():
        yield Count(title_of(code, name), number, import_address(row, Tab.HIDDEN, reason=code))


def setup_page(
    request: PageRequest, integration: Integration, status: int = 200, **forms: Any
) -> HttpResponse:
    """Keys, rights, schedule, pause, words, name and guide of a connection.

    `forms` are those that were refused: `keys_form`, `name_form`, `schedule_form`, `pause_form`.
    """
    is_locked = not request.membership.has_role(Role.ADMIN)
    context = {
        **_form_context(request, integration.psa_info),
        **head_of(integration, "setup", "setup"),
        "name_form": NameForm(initial={"name": integration.name}, is_locked=is_locked),
        "schedule_form": ScheduleForm(integration, is_locked=is_locked),
        "pause_form": PauseForm(),
        "waiting_words": count_waiting(integration),
        "other_accounts": _other_accounts(integration),
        **forms,
    }
    context.setdefault("keys_form", _locked_keys(request, integration))
    return render(request, "integrations/setup.html", context, status=status)


def activity_page(request: PageRequest, integration: Integration) -> HttpResponse:
    """Its runs, newest first."""
    shown = paged(request, list_sync_runs(integration.tenant, integration=integration.pk))
    for run in shown.object_list:
        run.integration = integration
    context = {
        **head_of(integration, "activity"),
        "page": shown,
        "rows": [
            (status, list(zip(FIGURES, status.run.summary, strict=True)))
            for status in run_progress.live_all(shown.object_list)
        ],
    }
    return render(request, "integrations/connection_activity.html", context)


# What is disconnected


@dataclass(frozen=True, slots=True)
class Remains:
    """What stays of a disconnected account; `totals` is its MRR of today, from what is stored."""

    links: int
    agreements: int
    totals: list[Money]


def _other_accounts(integration: Integration) -> QuerySet[Integration]:
    """Where its audITees could move to."""
    return list_integrations(integration.tenant).exclude(pk=integration.pk)


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
