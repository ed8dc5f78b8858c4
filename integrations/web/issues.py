"""The issues inbox of a connection."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from audit_site.pages.views import PageRequest, came_from, find, page, paged, tenant_of
from audit_site.tenants.models import Role
from integrations.issues import inbox
from integrations.issues.selectors import ISSUE_GROUPS, count_issues, grouped_issues, list_issues
from integrations.models import Integration, Issue
from integrations.web.integrations import find_integration
from integrations.web.record_names import RecordName, record_names
from integrations.web.runs import to_run


@page("GET", section="integrations")
def issue_inbox(request: PageRequest, pk: UUID) -> HttpResponse:
    """What a person should know of an integration, by what it is about; open ones first."""
    integration = find_integration(request, pk)
    state = request.GET.get("state", "open")
    state = state if state in {"open", "dismissed", "closed"} else "all"
    rows = list_issues(tenant_of(request), integration=integration, state=state)
    shown = paged(request, grouped_issues(rows))
    context = {
        "integration": integration,
        "info": integration.psa_info,
        "page": shown,
        "groups": issue_groups(shown.object_list),
        "told": _told_of(integration, shown.object_list),
        "state": state,
        "counts": count_issues(integration),
    }
    return render(request, "integrations/issues.html", context)


def _told_of(integration: Integration, rows: Iterable[Issue]) -> dict[UUID, dict[str, Any]]:
    """By the issue's id: what it is about, in words, and what is stored of that record."""
    of_records = [row for row in rows if row.is_of_record and row.kind != "company"]
    known = record_names(integration, [(row.kind, row.external_id) for row in of_records])
    told = {}
    for row in rows:
        record = known.get((row.kind, row.external_id), RecordName())
        its_own = row.psa_company_name if row.kind == "company" else ""  # type: ignore[attr-defined]
        name = row.name or record.name or its_own or ""
        title, label = name or row.kind.capitalize(), name or row.external_id
        if not row.is_of_record:
            title = label = integration.name
        told[row.pk] = {"title": title, "label": label, "record": record}
    return told


def issue_groups(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Issues in the order of the inbox, cut where state or group changes."""
    titles = [title for title, _ in ISSUE_GROUPS] + ["Anything else"]
    return [
        {"state": state, "title": titles[group], "issues": list(found)}
        for (state, group), found in groupby(rows, key=lambda row: (row.state, row.group))
    ]


@page("POST", role=Role.MEMBER, section="integrations")
def retry_issues(request: PageRequest, pk: UUID) -> HttpResponse:
    return to_run(request, *inbox.retry_all(find_integration(request, pk), actor=request.user))


def _issue(request: PageRequest, pk: UUID) -> Issue:
    rows = list_issues(tenant_of(request))
    return find(rows.exclude(integration__status=Integration.Status.DISCONNECTED), pk)


@page("POST", role=Role.MEMBER, section="integrations")
def retry_issue(request: PageRequest, pk: UUID) -> HttpResponse:
    return to_run(request, *inbox.retry(_issue(request, pk), actor=request.user))


@page("POST", role=Role.MEMBER, section="integrations")
def dismiss_issue(request: PageRequest, pk: UUID) -> HttpResponse:
    issue = inbox.dismiss(_issue(request, pk), actor=request.user)
    messages.success(
        request,
        "Dismissed. It stays quiet as long as its cause lasts, and is new when the cause returns.",
    )
    return redirect(came_from(request, reverse("integrations:issues", args=[issue.integration_id])))


@page("GET", "POST", role=Role.ADMIN, section="integrations")
def confirm_gone(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask once more, then start the run that takes what is missing for gone."""
    issue = _issue(request, pk)
    if not issue.asks_if_gone:
        return redirect("integrations:issues", issue.integration_id)
    if request.method == "POST":
        run = inbox.confirm_gone(issue, actor=request.user)
        return redirect("integrations:run", run.pk)
    integration = issue.integration
    context = {"issue": issue, "integration": integration, "info": integration.psa_info}
    return render(request, "integrations/confirm_gone.html", context)
