"""What was imported and linked together, whether on pages or over REST, as one list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.urls import reverse

from audit_site.db.bulk import AnyOf
from audit_site.tenants.models import Tenant
from integrations.importing.batch_counts import BatchCounts, counts_of
from integrations.importing.batches import batches_of
from integrations.matching.batches import batches_of as link_batches
from integrations.models import ImportBatch, ImportBatchRow, LinkBatch

SIZE: Final = 50


@dataclass(frozen=True, slots=True)
class Undone:
    """That what a batch did was taken back: how many rows, by whom and when it ended.

    `is_all`: all that it did was. `back`: how many rows were brought back since, by whom and when.
    """

    number: int
    is_all: bool
    back: int
    by: str
    at: datetime | None
    back_by: str = ""
    back_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PastBatch:
    """An import, or links that were made together.

    `state` is how it stands while it has not ended, else "". `not_left`: how many are undone now.
    `undone`: None = it was not.
    """

    is_import: bool
    at: datetime
    by: str
    address: str
    state: str
    new: int
    links: int
    done: int
    not_left: int
    failed: int
    undone: Undone | None


def past_batches(tenant: Tenant, number: str | None) -> tuple[Page[Any], list[PastBatch]]:
    """A page of them, newest first; reviews in which nothing is ticked are left out.

    Six statements at the most.
    """
    page = Paginator(_keys(tenant), SIZE).get_page(number)
    keys = list(page.object_list)
    imports = [key["pk"] for key in keys if key["is_import"]]
    links = [key["pk"] for key in keys if not key["is_import"]]
    found = {**_imports(tenant, imports), **_links(tenant, links)}
    return page, [found[key["pk"]] for key in keys if key["pk"] in found]


def _keys(tenant: Tenant) -> QuerySet[Any, Any]:
    ticked = ImportBatchRow.objects.for_tenant(tenant).filter(batch=OuterRef("pk"), chosen=True)
    imports = ImportBatch.objects.for_tenant(tenant).filter(
        ~Q(state=ImportBatch.State.REVIEW) | Exists(ticked)
    )
    some = imports.order_by().values("pk", at=F("queued_at"), is_import=Value(1))
    others = LinkBatch.objects.for_tenant(tenant).order_by()
    others_too: Any = others.values("pk", at=F("made_at"), is_import=Value(0))
    return some.union(others_too, all=True).order_by("-at", "-pk")


def _imports(tenant: Tenant, ids: Iterable[UUID]) -> dict[UUID, PastBatch]:
    found = list(batches_of(tenant).filter(AnyOf("id", ids)))
    counts = counts_of(found)
    return {batch.pk: _import(batch, counts[batch.pk]) for batch in found}


def _import(batch: ImportBatch, counts: BatchCounts) -> PastBatch:
    return PastBatch(
        is_import=True,
        at=batch.queued_at,
        by=str(batch.started_by or ""),
        address=reverse("integrations:import-batch", args=[batch.pk]),
        state="" if batch.state == ImportBatch.State.DONE else batch.get_state_display(),
        new=counts.new,
        links=counts.links,
        done=counts.done,
        not_left=counts.undone,
        failed=counts.failed,
        undone=undone_import(batch, counts),
    )


def undone_import(batch: ImportBatch, counts: BatchCounts) -> Undone | None:
    """That an import was taken back, if it was and no worker is at it."""
    if batch.is_active or not counts.taken_back:
        return None
    return Undone(
        counts.taken_back,
        not counts.untouched,
        counts.back,
        str(batch.undo_by or ""),
        batch.finished_at,
        str(batch.back_by or ""),
        counts.back_at,
    )


def _links(tenant: Tenant, ids: Iterable[UUID]) -> dict[UUID, PastBatch]:
    rows = link_batches(tenant).filter(AnyOf("id", ids))
    return {batch.pk: _link_batch(batch) for batch in rows.defer("rejected", "left", "not_back")}


def _link_batch(batch: Any) -> PastBatch:
    """`batch`: a LinkBatch with the numbers of `link_batches`."""
    made, undone, rejected = batch.linked, batch.linked - batch.standing, batch.refused
    return PastBatch(
        is_import=False,
        at=batch.made_at,
        by=batch.made_by_name,
        address=reverse("integrations:link-batch", args=[batch.pk]),
        state="Being undone" if batch.is_being_undone else "",
        new=0,
        links=made + rejected,
        done=made - undone,
        not_left=undone,
        failed=rejected,
        undone=undone_links(batch),
    )


def undone_links(batch: Any) -> Undone | None:
    """That links were undone which were made together, if any were and no worker is at it.

    `batch`: a LinkBatch with the numbers of `link_batches`.
    """
    number = batch.linked - batch.standing + batch.back
    if not number or batch.is_being_undone:
        return None
    return Undone(
        number,
        number == batch.linked,
        batch.back,
        str(batch.undo_by or ""),
        batch.undo_done_at,
        str(batch.back_by or ""),
        batch.back_at,
    )
