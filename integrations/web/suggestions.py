"""What is done with suggested pairs: proposed moves, saying that two are not the same, and undoing
what was linked together. Suggested links themselves are a tab of the import list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from audit_site.errors import DomainError
from audit_site.ids import id_or_none
from audit_site.pages.views import PageRequest, came_from, find, page, paged, tenant_of
from audit_site.tenants.models import Role
from integrations.connecting.selectors import list_integrations
from integrations.importing.table import Tab
from integrations.matching.batches import batches_of, undo_batch
from integrations.matching.bringing_back import bring_back
from integrations.matching.confirming import confirm_pairs
from integrations.matching.dismissing import dismiss_pairs, restore_pairs
from integrations.matching.moving import propose_moves
from integrations.matching.pairs import MOST_PAIRS, AskedPair
from integrations.matching.rows import batch_rows, suggestion_rows
from integrations.matching.selectors import (
    all_moves,
    list_suggestions,
    moves_of,
    suggestions_of,
)
from integrations.models import Integration, LinkBatch, LinkSuggestion, SuggestionKind
from integrations.models.suggestions import LinkSuggestionQuerySet
from integrations.web.import_list import keep_ticks

#: So many moves that were asked for are named.
MOST_MOVES: Final = 20


@page("GET", section="import")
def old_address(request: PageRequest) -> HttpResponse:
    """Where suggestions had a page of their own: the way to where they are."""
    is_move = request.GET.get("kind") == SuggestionKind.MOVE
    integration = _integration(request)
    query = {} if is_move else {"tab": Tab.SUGGESTED.value}
    if integration:
        query["integration" if is_move else "connection"] = str(integration.pk)
    address = reverse("integrations:moves" if is_move else "integrations:import")
    return redirect(f"{address}?{urlencode(query)}".rstrip("?"))


@page("GET", section="import")
def moves(request: PageRequest) -> HttpResponse:
    """AudITees and the companies of another account that they may move to, best first; the sure
    ones are ticked.
    """
    tenant = tenant_of(request)
    rows = _asked(request)
    shown = paged(request, rows)
    integration = _integration(request)
    context = {
        "page": shown,
        "rows": suggestion_rows(tenant, list(shown)),
        "sure": rows.filter(is_sure=True).count(),
        "most": MOST_PAIRS,
        "integrations": [(str(one.pk), one.name) for one in list_integrations(tenant)],
        "chosen": str(integration.pk) if integration else "",
        "is_dismissed": request.GET.get("show") == "dismissed",
        "dismissed": list_suggestions(tenant, kind=SuggestionKind.MOVE, dismissed=True).count(),
        "asked": (moves_of(integration) if integration else all_moves(tenant))[:MOST_MOVES],
    }
    return render(request, "integrations/moves.html", context)


def _asked(request: PageRequest) -> LinkSuggestionQuerySet:
    integration = _integration(request)
    return list_suggestions(
        tenant_of(request),
        integration=integration.pk if integration else None,
        kind=SuggestionKind.MOVE,
        dismissed=request.GET.get("show") == "dismissed",
    )


def _integration(request: PageRequest) -> Integration | None:
    """The account whose companies are asked for; None = all of them."""
    pk = id_or_none(request.GET.get("integration", ""))
    return list_integrations(tenant_of(request)).filter(pk=pk).first() if pk else None


@page("POST", role=Role.MEMBER, section="import")
def confirm(request: PageRequest) -> HttpResponse:
    """Move what is ticked, or all that is sure, and show what came of it."""
    if "all" in request.POST:
        sure = _asked(request).filter(is_sure=True)
        chosen = [*sure.exclude(pk__in=_unticked(request))[:MOST_PAIRS]]
    else:
        chosen = _ticked(request)
    pairs = _pairs(request, chosen)
    result = confirm_pairs(tenant=tenant_of(request), pairs=pairs, actor=request.user)
    if result.batch is None:
        return redirect("integrations:moves")
    return redirect("integrations:link-batch", result.batch.pk)


@page("POST", role=Role.MEMBER, section="import")
def dismiss(request: PageRequest) -> HttpResponse:
    """Say that what is ticked, or the one row, is not the same."""
    keep_ticks(request)
    pairs = _pairs(request, _ticked(request, "one"))
    result = dismiss_pairs(tenant=tenant_of(request), pairs=pairs, actor=request.user)
    many = len(result.suggestions)
    if many:
        said = "1 suggestion is dismissed" if many == 1 else f"{many} suggestions are dismissed"
        messages.success(request, f"{said}. You can take that back under “Not the same”.")
    return redirect(_back(request))


@page("POST", role=Role.MEMBER, section="import")
def restore(request: PageRequest) -> HttpResponse:
    """Take back that pairs are not the same."""
    pairs = _pairs(request, _ticked(request, "one"))
    restore_pairs(tenant=tenant_of(request), pairs=pairs, actor=request.user)
    messages.success(request, "It may be suggested again.")
    return redirect(_back(request))


def _back(request: HttpRequest) -> str:
    return came_from(request, f"{reverse('integrations:import')}?tab={Tab.SUGGESTED}")


def _ticked(request: PageRequest, only: str = "") -> list[LinkSuggestion]:
    """The suggestions that a form names: one by the button of its row, else all ticked ones."""
    texts = request.POST.getlist(only) if only else []
    ids = [pk for text in texts or request.POST.getlist("suggestions") if (pk := id_or_none(text))]
    return suggestions_of(tenant_of(request), ids[:MOST_PAIRS])


def _unticked(request: PageRequest) -> set[UUID]:
    """The suggestions of the page that were left out of all the sure ones."""
    shown, ticked = (
        {pk for text in request.POST.getlist(name)[:MOST_PAIRS] if (pk := id_or_none(text))}
        for name in ("shown", "suggestions")
    )
    return shown - ticked


def _pairs(request: PageRequest, chosen: Sequence[LinkSuggestion]) -> list[AskedPair]:
    if not chosen:
        raise DomainError("nothing_chosen", "Nothing is ticked.", "Tick at least one suggestion.")
    return [
        AskedPair(str(row.company_id), str(row.record.integration_id), row.record.external_id)
        for row in chosen
    ]


@page("POST", role=Role.ADMIN, section="import")
def move(request: PageRequest, pk: UUID) -> HttpResponse:
    """Have moves to another account proposed, and show them."""
    tenant = tenant_of(request)
    rows = list_integrations(tenant) | list_integrations(
        tenant, status=Integration.Status.DISCONNECTED
    )
    source, target = find(rows, pk), id_or_none(request.POST.get("to", ""))
    chosen = list_integrations(tenant).filter(pk=target).first() if target else None
    if chosen is None:
        raise DomainError("nothing_chosen", "Choose the account to move to.")
    propose_moves(source=source, target=chosen, actor=request.user)
    return redirect(f"{reverse('integrations:moves')}?integration={chosen.pk}")


# What came of it


@page("GET", section="import")
def link_batch(request: PageRequest, pk: UUID) -> HttpResponse:
    """What was confirmed together, row by row, each with its undo."""
    batch = find(batches_of(tenant_of(request)), pk)
    context = {"batch": batch, "rows": batch_rows(batch)}
    return render(request, "integrations/link_batch.html", context)


@page("POST", role=Role.MEMBER, section="import")
def undo(request: PageRequest, pk: UUID) -> HttpResponse:
    """Undo all links of a batch; a worker does it."""
    batch = find(LinkBatch.objects.for_tenant(tenant_of(request)), pk)
    undo_batch(batch=batch, actor=request.user)
    return redirect("integrations:link-batch", pk)


@page("POST", role=Role.MEMBER, section="import")
def bring_links_back(request: PageRequest, pk: UUID) -> HttpResponse:
    """Link again what the undo of a batch undid."""
    bring_back(batch=find(LinkBatch.objects.for_tenant(tenant_of(request)), pk), actor=request.user)
    return redirect("integrations:link-batch", pk)
