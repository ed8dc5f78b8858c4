"""Pages of an audITee's link: choose, compare, link; end it, and undo it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from audit_site.db.folded_text import storable
from audit_site.pages.views import PageRequest, find, page, tenant_of, watched
from audit_site.tenants.models import Role
from companies.models import Company
from companies.web.views import company_of, head_of, suggestion_for, totals_of
from integrations.connecting.selectors import list_integrations
from integrations.importing.linking import link_of
from integrations.importing.selection import untick
from integrations.importing.selectors import integration_with, list_psa_companies
from integrations.importing.shown_companies import shown_companies
from integrations.links.changes import person_text
from integrations.links.linking import link_company, unlink_company
from integrations.links.plan_undo import earlier_links, link_to_undo, plan_undo
from integrations.links.previewing import start_preview
from integrations.links.undoing import undo_link
from integrations.models import CompanyLink, Integration, LinkPreview

#: So many PSA companies are offered at once; a person types more of the name.
MOST_ROWS: Final = 50
#: How often a page asks whether a preview is done.
POLL_SECONDS: Final = 1
LABELS: Final = {"name": "Name", "type": "Type", "primary_contact": "Primary contact"}


@page("GET", section="companies")
def psa(request: PageRequest, pk: UUID) -> HttpResponse:
    """Which company of the PSA an audITee is, and was before; or which it probably is."""
    found = company_of(request, pk)
    head = head_of(found)
    shown = shown_companies(found.tenant, [found.pk]).get(found.pk) if head["link"] else None
    context = {
        **head,
        "shown": shown,
        "past_links": earlier_links(found),
        "suggestion": None if head["link"] else suggestion_for(found),
    }
    return render(request, "companies/psa.html", context)


@page("GET", "POST", role=Role.MEMBER, section="companies")
def link(request: PageRequest, pk: UUID) -> HttpResponse:
    """Choose the PSA company that an audITee is; a POST links it."""
    found = company_of(request, pk)
    asked = request.POST if request.method == "POST" else request.GET
    integrations = list(list_integrations(found.tenant))
    integration = _chosen(integrations, asked.get("integration", ""), found.name)
    external_id = asked.get("external_id", "")
    if _is_done(link_of(found), request, integration, external_id):
        if request.method == "POST":
            messages.info(request, "They are linked already.")
        return redirect("companies:detail", pk)
    if request.method == "POST" and integration is not None:
        with transaction.atomic():
            untick(integration=integration, external_id=external_id, user=request.user)
            link_company(
                company=found, integration=integration, external_id=external_id, actor=request.user
            )
        messages.success(
            request,
            f"Linked to {integration.name}; its agreements are being read. If it is the wrong "
            "company, undo the link: everything will be as before.",
        )
        return redirect("companies:detail", pk)
    search = asked.get("search", found.name)
    rows = list_psa_companies(integration, search=search, linked=False) if integration else None
    if integration is not None and rows is not None and external_id:
        rows = rows.filter(external_id=storable(external_id))
        if not rows:
            raise Http404
    context = {
        "company": found,
        "integration": integration,
        "choices": [(str(one.pk), one.name) for one in integrations],
        "chosen": str(integration.pk) if integration else "",
        "search": search,
        "rows": rows[:MOST_ROWS] if rows is not None else [],
    }
    return render(request, "companies/link.html", context)


def _is_done(
    link: CompanyLink | None,
    request: PageRequest,
    integration: Integration | None,
    external_id: str,
) -> bool:
    """Whether nothing is left to choose: it is linked, and a form asks for no other link."""
    if link is None or request.method == "GET":
        return link is not None
    return _is_of(link, integration, external_id)


def _is_of(link: CompanyLink, integration: Integration | None, external_id: str) -> bool:
    return (link.integration, link.external_id) == (integration, external_id)


def _chosen(integrations: list[Integration], chosen: str, name: str) -> Integration | None:
    """The integration that was asked for, else 404; where none was, the one that has the name."""
    if not chosen:
        return integration_with(name, integrations)
    for integration in integrations:
        if str(integration.pk) == chosen:
            return integration
    raise Http404


@page("POST", role=Role.MEMBER, section="companies")
def start(request: PageRequest, pk: UUID) -> HttpResponse:
    """Have an audITee and a PSA company compared, and wait for it.

    A button of a form that is about more names the PSA company in its address.
    """
    found = company_of(request, pk)
    integrations = list(list_integrations(found.tenant))
    asked = request.POST if "external_id" in request.POST else request.GET
    integration = _chosen(integrations, asked.get("integration", ""), found.name)
    if integration is None:
        raise Http404
    preview = start_preview(
        company=found,
        integration=integration,
        external_id=asked.get("external_id", ""),
        actor=request.user,
    )
    return redirect("companies:link-preview", pk, preview.pk)


@page("GET", role=Role.MEMBER, section="companies")
def preview(request: PageRequest, pk: UUID, preview_id: UUID) -> HttpResponse:
    """Both sides, what changes, the money, and what speaks against it; asked again until done."""
    found = company_of(request, pk)
    rows = LinkPreview.objects.for_tenant(tenant_of(request)).filter(company=found)
    shown = find(rows.select_related("integration", "tenant"), preview_id)
    link = link_of(found)
    context = {
        "company": found,
        "link": link,
        "is_same": link is not None and _is_of(link, shown.integration, shown.external_id),
        "preview": shown,
        "psa": shown.integration.psa_info,
        "fields": _fields(shown),
        "money": _money(shown.found["mrr"]) if shown.found else [],
    }
    if request.headers.get("HX-Request"):
        poll = 0 if shown.is_done else POLL_SECONDS
        return watched(request, "companies/_link_preview.html", context, poll)
    return render(request, "companies/link_preview.html", context)


def _fields(preview: LinkPreview) -> list[dict[str, Any]]:
    """Fields of both sides, and which of ours become theirs."""
    if not preview.found:
        return []
    ours, theirs = preview.found["ours"], preview.found["theirs"]
    changed = {change["field"]: change["after"] for change in preview.found["changes"]}
    pairs = [
        ("name", ours["name"], theirs["name"]),
        ("type", Company.Type(ours["type"]).label, theirs["type"]),
        (
            "primary_contact",
            person_text(ours["primary_contact"]),
            person_text(theirs["primary_contact"]),
        ),
    ]
    return [
        {
            "label": LABELS[name],
            "ours": before,
            "theirs": changed.get(name, after),
            "changes": name in changed,
        }
        for name, before, after in pairs
    ]


def _money(mrr: dict[str, list[dict[str, str]]]) -> list[dict[str, str]]:
    """MRR before and after by currency; "" = there is none in it."""
    sides = {
        side: {total["currency"]: total["amount"] for total in totals}
        for side, totals in mrr.items()
    }
    currencies = sorted({*sides["before"], *sides["after"]})
    return [
        {
            "currency": currency,
            "before": sides["before"].get(currency, ""),
            "after": sides["after"].get(currency, ""),
        }
        for currency in currencies
    ]


@page("GET", "POST", role=Role.MEMBER, section="companies")
def unlink(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask once more, saying what changes, then unlink."""
    found = company_of(request, pk)
    if request.method == "POST":
        unlink_company(company=found, actor=request.user)
        messages.success(
            request,
            "Unlinked. Everything stays as it was last seen. Name and primary contact are yours to "
            "edit now; its agreements are read no more.",
        )
        return redirect("companies:detail", pk)
    link = link_of(found)
    if link is None:
        return redirect("companies:detail", pk)
    context = {"company": found, "totals": totals_of(found), "psa": link.integration.psa_info}
    return render(request, "companies/unlink.html", context)


@page("GET", "POST", role=Role.MEMBER, section="companies")
def undo(request: PageRequest, pk: UUID) -> HttpResponse:
    """Say what comes back and what leaves, MRR in numbers, then undo the link."""
    found = company_of(request, pk)
    asked = request.POST if request.method == "POST" else request.GET
    link_id = _link_id(asked.get("link", ""))
    if request.method == "POST":
        plan = undo_link(company=found, actor=request.user, link_id=link_id)
        messages.success(
            request,
            f"The link to {plan.link.integration.name} is undone: “{plan.name}” is as it was "
            "before, and nothing of that company counts on any day.",
        )
        return redirect("companies:detail", pk)
    link = link_to_undo(found, link_id)
    plan = plan_undo(found, link)
    mrr = {"before": [*plan.mrr_before], "after": [*plan.mrr_after]}
    context = {
        "company": found,
        "plan": plan,
        "link": link,
        "psa": link.integration.psa_info,
        "changes": [(LABELS[one.field], one.before, one.after) for one in plan.changes],
        "money": _money(mrr),  # type: ignore[arg-type]
        "decisions": plan.decisions,
    }
    return render(request, "companies/undo_link.html", context)


def _link_id(text: str) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
