"""The issues inbox of a connection."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from audit_site.pages.views import PageRequest, came_from, find, page, paged, tenant_of
from audit_site.tenants.models import Role
from integrations.issues import inbox
from integrations.issues.selectors import grouped_issues, list_issues
from integrations.models import Integration, Issue
from integrations.web.connection_page import head_of
from integrations.web.integrations import find_integration
from integrations.web.issue_page import issue_page
from integrations.web.menu import connection_menu
from integrations.web.runs import to_run


@page("GET", section="issues")
def issue_inbox(request: PageRequest, pk: UUID) -> HttpResponse:
    """What a person should know of an integration, by what it is about; open ones first."""
    integration = find_integration(request, pk)
    state = request.GET.get("state", "open")
    state = state if state in {"open", "dismissed", "closed"} else "all"
    rows = list_issues(tenant_of(request), integration=integration, state=state)
    shown = paged(request, grouped_issues(rows))
    context = {
        **head_of(integration, "issues"),
        "page": shown,
        "inbox": issue_page(integration, shown),
        "state": state,
    }
    return render(request, "integrations/issues.html", context)


@page("GET", section="issues")
def all_issues(request: PageRequest) -> HttpResponse:
    """The inboxes of all connections; where there is one alone, that one."""
    menu = connection_menu(request, tenant_of(request))
    if len(menu.connections) == 1:
        return redirect("integrations:issues", menu.connections[0].integration.pk)
    context = {"menu": menu, "connections": menu.connections}
    return render(request, "integrations/all_issues.html", context)


@page("POST", role=Role.MEMBER, section="issues")
def retry_issues(request: PageRequest, pk: UUID) -> HttpResponse:
    return to_run(request, *inbox.retry_all(find_integration(request, pk), actor=request.user))


def _issue(request: PageRequest, pk: UUID) -> Issue:
    rows = list_issues(tenant_of(request))
    return find(rows.exclude(integration__status=Integration.Status.DISCONNECTED), pk)


@page("POST", role=Role.MEMBER, section="issues")
def retry_issue(request: PageRequest, pk: UUID) -> HttpResponse:
    return to_run(request, *inbox.retry(_issue(request, pk), actor=request.user))


@page("POST", role=Role.MEMBER, section="issues")
def dismiss_issue(request: PageRequest, pk: UUID) -> HttpResponse:
    issue = inbox.dismiss(_issue(request, pk), actor=request.user)
    messages.success(
        request,
        "Dismissed. It stays quiet as long as its cause lasts, and is new when the cause returns.",
    )
    return redirect(came_from(request, reverse("integrations:issues", args=[issue.integration_id])))


@page("GET", "POST", role=Role.ADMIN, section="issues")
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
