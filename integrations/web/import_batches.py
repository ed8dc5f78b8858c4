"""Pages of imports: what each row is to become, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from audit_site.pages.views import PageRequest, find, page, paged, tenant_of, watched
from audit_site.tenants.models import Role
from companies.services import licence
from integrations.importing import batches
from integrations.importing.batches import BatchCounts, batches_of, counts_of, rows_of_batch
from integrations.models import ImportBatch, ImportBatchRow, Integration
from integrations.web.import_list import ids_sent
from integrations.web.run_progress import poll_seconds

#: Rows of a page.
SIZE: Final = 100
#: Which rows a page may be narrowed to, by the word in its address.
SHOWN: Final[dict[str, dict[str, Any]]] = {
    "failed": {"chosen": True, "state": ImportBatchRow.State.FAILED},
    "done": {"chosen": True, "state": ImportBatchRow.State.DONE},
    "waiting": {"chosen": True, "state": ImportBatchRow.State.WAITING},
    "unticked": {"chosen": False},
}


@dataclass(frozen=True, slots=True)
class BatchPage:
    """Some rows of a batch from a position on; `previous` and `next` are positions, None = none."""

    rows: list[ImportBatchRow]
    previous: int | None
    next: int | None


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """A batch with its numbers, and after how many seconds a page asks again (0 = it has ended).

    `paused`: names of connections that a person has paused; their agreements wait.
    """

    batch: ImportBatch
    counts: BatchCounts
    poll_seconds: int
    paused: list[str]

    @property
    def ended(self) -> int:
        """How many rows are carried out."""
        return self.counts.chosen - self.counts.waiting

    @property
    def title(self) -> str:
        if self.batch.state == ImportBatch.State.QUEUED:
            return "Waiting for a worker"
        return f"{self.ended:,} of {self.counts.chosen:,}"


@page("GET", section="import")
def import_batches(request: PageRequest) -> HttpResponse:
    """The imports of this account that were started or wait for their review, the newest first."""
    shown = paged(request, batches_of(tenant_of(request)))
    counts = counts_of(shown.object_list)
    rows = [(batch, counts[batch.pk]) for batch in shown.object_list]
    return render(request, "integrations/import_batches.html", {"page": shown, "rows": rows})


def _batch(request: PageRequest, pk: UUID) -> ImportBatch:
    return find(batches_of(tenant_of(request)).select_related("tenant"), pk)


@page("GET", section="import")
def import_batch(request: PageRequest, pk: UUID) -> HttpResponse:
    """One import: to be reviewed, under way, or row by row what came of it."""
    batch = _batch(request, pk)
    status = _status(batch)
    if request.htmx:
        context = {"status": status, "batch": batch}
        response = watched(
            request, "integrations/_batch_progress.html", context, status.poll_seconds
        )
        if not status.poll_seconds:
            response["HX-Refresh"] = "true"
        return response
    show = request.GET.get("show", "")
    allowance = licence(tenant_of(request))
    context = {
        "batch": batch,
        "status": status,
        "counts": status.counts,
        "page": _rows(batch, show, _position(request.GET.get("from", ""))),
        "show": show,
        "licence": allowance,
        "over": max(status.counts.new - allowance.free, 0),
        "is_review": batch.state == ImportBatch.State.REVIEW,
    }
    return render(request, "integrations/import_batch.html", context)


def _status(batch: ImportBatch) -> BatchStatus:
    counts = counts_of([batch])[batch.pk]
    seconds = poll_seconds(batch) if batch.is_active else 0
    lists = Integration.objects.filter(
        tenant=batch.tenant_id,
        pk__in=ImportBatchRow.objects.filter(tenant=batch.tenant_id, batch=batch, chosen=True)
        .order_by()
        .values("integration"),
    ).order_by("name")
    return BatchStatus(batch, counts, seconds, [one.name for one in lists if one.is_paused])


def _position(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 9 else 0


def _rows(batch: ImportBatch, show: str, start: int) -> BatchPage:
    """A page from a position on. Two statements."""
    rows = rows_of_batch(batch).filter(**SHOWN.get(show, {}))
    found = list(rows.filter(position__gte=start)[: SIZE + 1])
    before = rows.filter(position__lt=start).order_by("-position")
    earlier = list(before.values_list("position", flat=True)[:SIZE]) if start else []
    return BatchPage(
        found[:SIZE],
        earlier[-1] if earlier else None,
        found[SIZE].position if len(found) > SIZE else None,
    )


@page("POST", role=Role.MEMBER, section="import")
def review(request: PageRequest, pk: UUID) -> HttpResponse:
    """Keep what is ticked on this page of the review, then do what the pressed button says."""
    batch = _batch(request, pk)
    batches.choose_rows(
        batch=batch, shown=ids_sent(request, "shown"), ticked=ids_sent(request, "ticked")
    )
    if wanted := request.POST.get("choose"):
        return redirect("integrations:choose-for-row", find(_rows_by_id(batch), _id_of(wanted)).pk)
    act = ACTS.get(request.POST.get("do", ""))
    if act is not None:
        act(batch, request)
    query = {"from": request.POST.get("goto", ""), "show": request.POST.get("show", "")}
    asked = urlencode({name: value for name, value in query.items() if value})
    return redirect(f"{reverse('integrations:import-batch', args=[pk])}?{asked}".rstrip("?"))


def _rows_by_id(batch: ImportBatch) -> QuerySet[ImportBatchRow]:
    return ImportBatchRow.objects.filter(tenant=batch.tenant_id, batch=batch)


def _id_of(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None


def _keep_what_fits(batch: ImportBatch, request: PageRequest) -> None:
    batches.keep_what_fits(batch=batch)


def _start(batch: ImportBatch, request: PageRequest) -> None:
    batches.start(batch=batch, actor=request.user)


#: What the buttons of the review do.
ACTS: dict[str, Callable[[ImportBatch, PageRequest], Any]] = {
    "fit": _keep_what_fits,
    "start": _start,
}


@page("POST", role=Role.MEMBER, section="import")
def retry_batch(request: PageRequest, pk: UUID) -> HttpResponse:
    """Try again what was not done."""
    batches.retry(batch=_batch(request, pk), actor=request.user)
    return redirect("integrations:import-batch", pk)
