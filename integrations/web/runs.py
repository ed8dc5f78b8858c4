"""Pages of sync runs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from audit_site.pages.views import PageRequest, find, page, paged, tenant_of, watched
from audit_site.tenants.models import Role
from integrations.connecting.selectors import choices_of_integrations
from integrations.kinds import KINDS
from integrations.models import SyncEvent, SyncRun
from integrations.runs import starting
from integrations.runs.selectors import list_events, list_sync_runs
from integrations.web import event_values, run_progress
from integrations.web.run_page import run_page


def to_run(request: PageRequest, run: SyncRun, is_new: bool) -> HttpResponse:
    """Go to a run that was asked for; say so when it was under way before."""
    if not is_new:
        follows = " Another one follows it." if run.followed_by else ""
        messages.info(request, f"A sync is under way already; this is it.{follows}")
    return redirect("integrations:run", run.pk)


@page("GET", section="activity")
def sync_runs(request: PageRequest) -> HttpResponse:
    """Every run, newest first; of one integration or in one state where asked."""
    tenant = tenant_of(request)
    integration, state = request.GET.get("integration", ""), request.GET.get("state", "")
    try:
        rows = list_sync_runs(
            tenant, integration=UUID(integration) if integration else None, state=state
        )
    except ValueError:  # what is no id filters everything out
        rows = SyncRun.objects.none().order_by("-id")
    shown = paged(request, rows)
    context = {
        "page": shown,
        "rows": run_progress.live_all(shown.object_list),
        "poll_ms": run_progress.poll_ms(*shown.object_list),
        "integrations": choices_of_integrations(tenant),
        "states": SyncRun.State.choices,
        "chosen": {"integration": integration, "state": state},
    }
    return render(request, "integrations/runs.html", context)


def _run(request: PageRequest, pk: UUID) -> SyncRun:
    return find(list_sync_runs(tenant_of(request)), pk)


@page("GET", section="activity")
def run(request: PageRequest, pk: UUID) -> HttpResponse:
    """One run: progress, counts, and what it did to each record."""
    sync_run = _run(request, pk)
    if request.htmx and request.htmx.target != "events":
        return _watched_run(request, sync_run)
    chosen = {name: request.GET.get(name, "") for name in ("change", "kind")}
    wanted = {name: value for name, value in chosen.items() if value}
    shown = paged(request, list_events(sync_run).filter(**wanted))
    context = {
        **_run_context(sync_run),
        "page": shown,
        "events": event_values.describe_events(sync_run, shown.object_list),
        "changes": SyncEvent.Change.choices,
        "kinds": [(kind.singular, kind.singular.capitalize()) for kind in KINDS],
        "chosen": chosen,
    }
    template = "integrations/_events.html" if request.htmx else "integrations/run.html"
    return render(request, template, context)


def _run_context(sync_run: SyncRun) -> dict[str, Any]:
    status = run_progress.live(sync_run)
    address = reverse("integrations:run", args=[sync_run.pk])
    return {
        "run": sync_run,
        "shown": run_page(sync_run),
        "status": status,
        "poll_address": run_progress.poll_address(address, status),
    }


def _watched_run(request: PageRequest, sync_run: SyncRun) -> HttpResponse:
    """The upper part of the page; at the end the list of events is loaded again."""
    context = {
        **_run_context(sync_run),
        "announced": request.GET.get("told", ""),
        "is_fragment": True,
    }
    poll_ms = run_progress.poll_ms(sync_run)
    response = watched(request, "integrations/_run.html", context, poll_ms)
    if not poll_ms:
        response["HX-Trigger"] = "run-ended"
    return response


@page("POST", role=Role.MEMBER, section="activity")
def cancel_run(request: PageRequest, pk: UUID) -> HttpResponse:
    cancelled = starting.cancel_sync_run(run=_run(request, pk), actor=request.user)
    if cancelled.is_active:
        messages.info(request, "The run ends after the page that it is reading.")
    return redirect("integrations:run", pk)
