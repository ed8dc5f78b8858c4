"""Imports that are reviewed first: started, tried again, undone and brought back.

They are proposed from what was chosen (`integrations.importing.proposing`), and a worker carries
them out (`integrations.batches.worker`).
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from audit_site import limits
from audit_site.db.bulk import AnyOf
from audit_site.errors import DomainError
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import Tenant, User
from companies.services import MAKE_ROOM, licence
from integrations.importing.batch_counts import (
    BACK,
    UNDO_ARCHIVED,
    UNDO_UNLINKED,
    UNDOABLE,
    counts_of,
)
from integrations.importing.selection import choose_none
from integrations.models import CompanyLink, ImportBatch, ImportBatchRow
from integrations.runs.dispatching import dispatch

State = ImportBatchRow.State


def batches_of(tenant: Tenant) -> QuerySet[ImportBatch]:
    """The newest first, with the people who had them carried out, undone and brought back."""
    people = ("started_by", "undo_by", "back_by")
    return ImportBatch.objects.for_tenant(tenant).select_related(*people).order_by("-id")


def rows_of_batch(batch: ImportBatch) -> QuerySet[ImportBatchRow]:
    """Its rows, each with `link_now`, the id of the link in force between its two sides."""
    rows = ImportBatchRow.objects.filter(tenant=batch.tenant_id, batch=batch)
    links = CompanyLink.objects.in_force().filter(
        tenant=OuterRef("tenant"),
        integration=OuterRef("integration"),
        external_id=OuterRef("external_id"),
        company=OuterRef("company"),
    )
    found = rows.annotate(link_now=Subquery(links.values("pk")[:1]))
    return found.select_related("integration", "company").order_by("position")


def held_batch(batch: ImportBatch, state: str) -> ImportBatch:
    """The batch as it is now, locked. DomainError `not_in_review`, `under_way`."""
    rows = ImportBatch.objects.filter(tenant=batch.tenant_id, pk=batch.pk)
    held = rows.select_for_update(no_key=True, of=("self",)).select_related("tenant").get()
    if held.state != state and held.is_active:
        raise DomainError(
            "under_way", "This import is under way.", "Wait until it has ended, then look again."
        )
    if held.state != state:
        is_done = held.state == ImportBatch.State.DONE
        raise DomainError(
            "not_in_review",
            f"This import {'has been carried out' if is_done else 'has not been started yet'}.",
            "Look at its page: it says what can be done.",
        )
    return held


@transaction.atomic
def start(*, batch: ImportBatch, actor: User) -> ImportBatch:
    """Hand a reviewed batch to the workers; it counts as one import of an hour.

    DomainError `not_in_review`, `nothing_chosen`, `licence_exceeded`.
    """
    held = held_batch(batch, ImportBatch.State.REVIEW)
    counts = counts_of([held])[held.pk]
    if not counts.chosen:
        raise DomainError(
            "nothing_chosen",
            "No company of this import is ticked.",
            "Tick what you want to add or link.",
            status=400,
        )
    free = licence(held.tenant).free
    if counts.new > free:
        raise DomainError(
            "licence_exceeded",
            f"{counts.new:,} new audITees are ticked, and your licence has room for {free:,}.",
            f"Untick {counts.new - free:,} of them. {MAKE_ROOM}",
        )
    held.total, held.started_by = counts.chosen, actor
    _queue(held, "import.started", actor)
    choose_none(tenant=held.tenant, user=actor)
    return held


@transaction.atomic
def retry(*, batch: ImportBatch, actor: User) -> ImportBatch:
    """Try again what was not done. DomainError `nothing_to_retry`, `under_way`."""
    held = held_batch(batch, ImportBatch.State.DONE)
    failed = ImportBatchRow.objects.filter(
        tenant=held.tenant_id, batch=held, chosen=True, state=State.FAILED
    )
    if not failed.update(state=State.WAITING, code="", message=""):
        raise DomainError(
            "nothing_to_retry",
            "Everything of this import has been done.",
            "There is nothing to do.",
        )
    is_undone = counts_of([held])[held.pk].taken_back > 0
    _queue(held, "import.retried", actor, keeps_end=is_undone)
    return held


@transaction.atomic
def undo(*, batch: ImportBatch, actor: User) -> ImportBatch:
    """Have a worker take back what the import did: its links are undone, its audITees archived.

    DomainError `nothing_to_undo`, `under_way`.
    """
    held = held_batch(batch, ImportBatch.State.DONE)
    rows = ImportBatchRow.objects.filter(UNDOABLE, tenant=held.tenant_id, batch=held, chosen=True)
    if not rows.update(state=State.UNDOING, code="", message=""):
        raise DomainError(
            "nothing_to_undo",
            "Nothing that this import did is left to take back.",
            "There is nothing to do.",
        )
    held.undo_by = actor
    _queue(held, "import.undone", actor)
    return held


@transaction.atomic
def bring_back(*, batch: ImportBatch, actor: User) -> ImportBatch:
    """Have a worker bring back what the undo of an import took away: audITees that it archived,
    links that it undid.

    DomainError `nothing_to_bring_back`, `licence_exceeded`, `under_way`.
    """
    held = held_batch(batch, ImportBatch.State.DONE)
    rows = ImportBatchRow.objects.filter(
        UNDO_ARCHIVED | UNDO_UNLINKED, tenant=held.tenant_id, batch=held, chosen=True
    )
    counts, free = counts_of([held])[held.pk], licence(held.tenant).free
    if not counts.can_come_back:
        raise DomainError(
            "nothing_to_bring_back",
            "Nothing that the undo of this import took away can come back.",
            "There is nothing to do.",
        )
    if counts.archived > free:
        raise DomainError(
            "licence_exceeded",
            f"{counts.archived:,} audITees would come back, and your licence has room for "
            f"{free:,}.",
            MAKE_ROOM,
        )
    ids = list(rows.values_list("pk", flat=True))
    chosen = ImportBatchRow.objects.filter(AnyOf("id", ids), tenant=held.tenant_id)
    chosen.update(state=State.WAITING, code=BACK, message="It is being brought back.")
    held.back_by = actor
    _queue(held, "import.brought_back", actor, keeps_end=True)
    return held


def _queue(batch: ImportBatch, action: str, actor: User, *, keeps_end: bool = False) -> None:
    """Hand it to the workers. `keeps_end`: it stays finished when it was, as it was undone."""
    limits.spend(batch.tenant, limits.IMPORTS)
    now = timezone.now()
    batch.state, batch.dispatched_at = ImportBatch.State.QUEUED, now
    if batch.finished_at is None:  # what is undone or tried again began when it began
        batch.queued_at = now
    batch.finished_at = batch.finished_at if keeps_end else None
    batch.lease_until = batch.resume_at = None
    batch.attempts = 0
    batch.save()
    record_audit(
        tenant=batch.tenant,
        actor=actor,
        action=action,
        subject=batch,
        after={"companies": batch.total},
    )
    dispatch(batch)
