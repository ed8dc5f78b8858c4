"""Pages of imports: what each row is to become, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse

from audit_site.errors import DomainError
from audit_site.pages.views import PageRequest, find, page, tenant_of, watched
from audit_site.tenants.models import Role
from companies.services import licence
from integrations.importing import batches
from integrations.importing import review as review_acts
from integrations.importing.batch_counts import BatchCounts, counts_of
from integrations.importing.batches import batches_of
from integrations.matching.selectors import is_matching
from integrations.models import ImportBatch, ImportBatchRow, Integration
from integrations.web.batch_rows import Place, rows_page, tabs_of
from integrations.web.import_list import ids_sent
from integrations.web.past_batches import Undone, past_batches, undone_import
from integrations.web.review_rows import choices_sent, review_rows
from integrations.web.run_progress import poll_ms


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """A batch with its numbers, and after how many seconds a page asks again (0 = it has ended).

    `paused`: names of connections that a person has paused; their agreements wait.
    """

    batch: ImportBatch
    counts: BatchCounts
    poll_ms: int
    paused: list[str]

    @property
    def ended(self) -> int:
        """How many rows are carried out."""
        return self.counts.ended

    @property
    def undone(self) -> Undone | None:
        return undone_import(self.batch, self.counts)

    @property
    def title(self) -> str:
        if self.batch.state == ImportBatch.State.QUEUED:
            return "Waiting for a worker"
        return f"{self.ended:,} of {self.counts.chosen:,}"


@page("GET", section="import")
def import_batches(request: PageRequest) -> HttpResponse:
    """What was imported and linked together, or waits for its review, the newest first."""
    found, rows = past_batches(tenant_of(request), request.GET.get("page"))
    return render(request, "integrations/import_batches.html", {"page": found, "rows": rows})


def _batch(request: PageRequest, pk: UUID) -> ImportBatch:
    return find(batches_of(tenant_of(request)).select_related("tenant"), pk)


@page("GET", section="import")
def import_batch(request: PageRequest, pk: UUID) -> HttpResponse:
    """One import: to be reviewed, under way, or row by row what came of it."""
    batch = _batch(request, pk)
    status = _status(batch)
    if request.htmx:
        part = {"status": status, "batch": batch}
        response = watched(request, "integrations/_batch_progress.html", part, status.poll_ms)
        if not status.poll_ms:
            response["HX-Refresh"] = "true"
        return response
    place = Place.of(request.GET)
    shown = rows_page(batch, place)
    context: dict[str, Any] = {
        **_bar(request, batch, status.counts),
        "status": status,
        "page": shown,
        "place": place,
        "tabs": tabs_of(batch, status.counts, place),
        "is_review": batch.state == ImportBatch.State.REVIEW,
    }
    if context["is_review"]:
        context["reviewed"] = review_rows(batch, shown.rows)
        context["is_matching"] = status.counts.new > 0 and is_matching(batch.tenant)
    return render(request, "integrations/import_batch.html", context)


def _bar(request: PageRequest, batch: ImportBatch, counts: BatchCounts) -> dict[str, Any]:
    """What is ticked, and whether the licence has room for it."""
    allowance = licence(tenant_of(request))
    over = max(counts.new - allowance.free, 0)
    return {"batch": batch, "counts": counts, "licence": allowance, "over": over}


def _status(batch: ImportBatch) -> BatchStatus:
    counts = counts_of([batch])[batch.pk]
    pulse = poll_ms(batch) if batch.is_active else 0
    lists = Integration.objects.filter(
        tenant=batch.tenant_id,
        pk__in=ImportBatchRow.objects.filter(tenant=batch.tenant_id, batch=batch, chosen=True)
        .order_by()
        .values("integration"),
    ).order_by("name")
    return BatchStatus(batch, counts, pulse, [one.name for one in lists if one.is_paused])


@page("POST", role=Role.MEMBER, section="import")
def review(request: PageRequest, pk: UUID) -> HttpResponse:
    """Keep what is ticked on this page of the review, then do what the pressed button says.

    With a script each change is sent at once, and the bar alone comes back.
    """
    batch = _batch(request, pk)
    shown, ticked = ids_sent(request, "shown"), ids_sent(request, "ticked")
    choices = choices_sent(request.POST, shown)
    try:
        review_acts.choose_rows(batch=batch, shown=shown, ticked=ticked, choices=choices)
    except DomainError as error:
        if not request.htmx:
            raise
        messages.error(request, error.sentence)
        return HttpResponse(headers={"HX-Refresh": "true"})
    if request.htmx:
        context = _bar(request, batch, counts_of([batch])[batch.pk])
        return render(request, "integrations/_review_part.html", context)
    act = ACTS.get(request.POST.get("do", ""))
    if act is not None and (left := act(batch, request)):
        return redirect(left)
    said = request.POST.get("goto", request.POST.get("here", ""))
    query = Place.of(QueryDict(said)).query
    return redirect(f"{reverse('integrations:import-batch', args=[pk])}?{query}".rstrip("?"))


def _keep_what_fits(batch: ImportBatch, request: PageRequest) -> str:
    review_acts.keep_what_fits(batch=batch)
    return ""


def _start(batch: ImportBatch, request: PageRequest) -> str:
    batches.start(batch=batch, actor=request.user)
    return ""


def _leave(batch: ImportBatch, request: PageRequest) -> str:
    review_acts.leave(batch=batch)
    return reverse("integrations:import")


#: What the buttons of the review do; each says which page to go on with, "" = the same.
ACTS: dict[str, Callable[[ImportBatch, PageRequest], str]] = {
    "fit": _keep_what_fits,
    "start": _start,
    "leave": _leave,
}


@page("POST", role=Role.MEMBER, section="import")
def retry_batch(request: PageRequest, pk: UUID) -> HttpResponse:
    """Try again what was not done."""
    batches.retry(batch=_batch(request, pk), actor=request.user)
    return redirect("integrations:import-batch", pk)


@page("POST", role=Role.MEMBER, section="import")
def undo_batch(request: PageRequest, pk: UUID) -> HttpResponse:
    """Take back what it did."""
    batches.undo(batch=_batch(request, pk), actor=request.user)
    return redirect("integrations:import-batch", pk)


@page("POST", role=Role.MEMBER, section="import")
def bring_back(request: PageRequest, pk: UUID) -> HttpResponse:
    """Bring back what its undo took away."""
    batches.bring_back(batch=_batch(request, pk), actor=request.user)
    return redirect("integrations:import-batch", pk)
