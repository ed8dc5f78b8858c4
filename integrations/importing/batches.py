"""Imports that are reviewed first: proposed from what was chosen, started, and tried again.

A worker carries them out (`integrations.batches.worker`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from audit_site import limits
from audit_site.db.bulk import AnyOf, bulk_upsert
from audit_site.db.folded_text import storable
from audit_site.errors import DomainError
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from companies.services import MAKE_ROOM, licence
from integrations.importing.selection import (
    MOST_CHOSEN,
    choose_none,
    chosen_rows,
    selection_of,
    too_many,
)
from integrations.importing.suggested import suggestions_for
from integrations.importing.table import selectable
from integrations.models import (
    CompanyLink,
    ImportBatch,
    ImportBatchRow,
    Integration,
    PsaCompanyRecord,
)
from integrations.runs.dispatching import dispatch

State, Becomes = ImportBatchRow.State, ImportBatchRow.Becomes
#: Code of a row whose audITee an undo archived, and somebody brought back.
BACK: Final = "brought_back"
#: Rows whose audITee the undo of their import archived: they can be brought back.
UNDO_ARCHIVED: Final = Q(state=State.UNDONE, made=True, company__status=Company.Status.ARCHIVED)


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """The rows of a batch in numbers; those that were unticked are only in `unticked`.

    `archived`: audITees that it made and an undo archived; `back`: those that were brought back,
    and `back_at` when the last of them was.
    """

    new: int
    links: int
    waiting: int
    done: int
    failed: int
    undoing: int
    undone: int
    unticked: int
    archived: int
    back: int
    back_at: datetime | None

    @property
    def taken_back(self) -> int:
        """How many were undone, whether they are back by now or not."""
        return self.undone + self.back

    @property
    def chosen(self) -> int:
        return self.new + self.links

    @property
    def ended(self) -> int:
        """How many rows are carried out, well or not."""
        return self.chosen - self.waiting - self.undoing


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


def counts_of(batches: Iterable[ImportBatch]) -> dict[UUID, BatchCounts]:
    """The numbers of each batch, by its id. One statement."""
    found = list(batches)
    if not found:
        return {}
    rows = ImportBatchRow.objects.filter(tenant=found[0].tenant_id, batch__in=found)
    chosen = Q(chosen=True)
    sums: dict[str, Any] = {
        "new": Count("pk", filter=chosen & Q(becomes=Becomes.NEW)),
        "links": Count("pk", filter=chosen & Q(becomes=Becomes.LINK)),
        "unticked": Count("pk", filter=~chosen),
        "archived": Count("pk", filter=chosen & UNDO_ARCHIVED),
        "back": Count("pk", filter=chosen & Q(code=BACK)),
        "back_at": Max("done_at", filter=chosen & Q(code=BACK)),
        **{state.value: Count("pk", filter=chosen & Q(state=state)) for state in State},
    }
    counted: Any = rows.order_by().values("batch").annotate(**sums)
    numbers = {one["batch"]: BatchCounts(**{name: one[name] for name in sums}) for one in counted}
    nothing: Any = {**dict.fromkeys(sums, 0), "back_at": None}
    return {batch.pk: numbers.get(batch.pk) or BatchCounts(**nothing) for batch in found}


def propose_selection(
    *, tenant: Tenant, integrations: Sequence[Integration], actor: User
) -> ImportBatch:
    """A batch to review of everything that a person has chosen. DomainError `nothing_chosen`."""
    rows = chosen_rows(selection_of(tenant, actor), integrations)
    return propose(tenant=tenant, rows=rows, actor=actor)


@transaction.atomic
def propose(*, tenant: Tenant, rows: QuerySet[PsaCompanyRecord], actor: User | None) -> ImportBatch:
    """A batch to review of these rows of the import list; what is ignored is left out.

    DomainError `nothing_chosen`, `too_many_chosen`.
    """
    wanted = rows.filter(selectable(), ignored_at=None).order_by("search_text", "id")
    records = list(wanted.only("integration", "external_id", "name")[: MOST_CHOSEN + 1])
    if not records:
        raise DomainError(
            "nothing_chosen",
            "None of the chosen companies can be added or linked.",
            "Tick companies of the import list first.",
            status=400,
        )
    if len(records) > MOST_CHOSEN:
        raise too_many(MOST_CHOSEN, "imported at once")
    suggestions = suggestions_for(records)
    links = {pk: suggested.company_id for pk, suggested in suggestions.items()}
    return _proposed(
        tenant,
        actor,
        [
            (record.integration_id, record.external_id, record.name, links.get(record.pk))
            for record in records
        ],
    )


@transaction.atomic
def propose_ids(
    *, tenant: Tenant, pairs: Sequence[tuple[Integration, str]], actor: User | None
) -> ImportBatch:
    """A batch of companies that are named one by one: each becomes an audITee, or says why not."""
    wanted = dict.fromkeys((one.pk, storable(external_id)) for one, external_id in pairs)
    rows = PsaCompanyRecord.objects.for_tenant(tenant).filter(
        AnyOf("external_id", {external_id for _, external_id in wanted}),
        integration__in={pk for pk, _ in wanted},
    )
    names = {
        (pk, external_id): name
        for pk, external_id, name in rows.values_list("integration_id", "external_id", "name")
    }
    return _proposed(
        tenant,
        actor,
        [(pk, id_, names.get((pk, id_), id_), None) for pk, id_ in wanted],
    )


#: Of a row: its integration, its id and name in the PSA, and the audITee it is to be linked to.
Proposed = tuple[UUID, str, str, UUID | None]


def _proposed(tenant: Tenant, actor: User | None, rows: Sequence[Proposed]) -> ImportBatch:
    batch = ImportBatch.objects.create(tenant=tenant, started_by=actor, total=len(rows))
    bulk_upsert(
        ImportBatchRow,
        [
            ImportBatchRow(
                tenant=tenant,
                batch=batch,
                position=position,
                integration_id=integration,
                external_id=external_id,
                name=name,
                becomes=Becomes.LINK if company else Becomes.NEW,
                company_id=company,
            )
            for position, (integration, external_id, name, company) in enumerate(rows)
        ],
    )
    return batch


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
    _queue(held, "import.retried", actor)
    return held


@transaction.atomic
def undo(*, batch: ImportBatch, actor: User) -> ImportBatch:
    """Have a worker take back what the import did: its links are undone, its audITees archived.

    DomainError `nothing_to_undo`, `under_way`.
    """
    held = held_batch(batch, ImportBatch.State.DONE)
    done = Q(made=True) | Q(becomes=Becomes.LINK)
    rows = ImportBatchRow.objects.filter(
        done, tenant=held.tenant_id, batch=held, chosen=True, state=State.DONE
    )
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
    """Have a worker bring the audITees back that the undo of an import archived.

    DomainError `nothing_to_bring_back`, `licence_exceeded`, `under_way`.
    """
    held = held_batch(batch, ImportBatch.State.DONE)
    rows = ImportBatchRow.objects.filter(
        UNDO_ARCHIVED, tenant=held.tenant_id, batch=held, chosen=True
    )
    number, free = rows.count(), licence(held.tenant).free
    if not number:
        raise DomainError(
            "nothing_to_bring_back",
            "No audITee of this import is archived by its undo.",
            "There is nothing to do.",
        )
    if number > free:
        raise DomainError(
            "licence_exceeded",
            f"{number:,} audITees would come back, and your licence has room for {free:,}.",
            MAKE_ROOM,
        )
    ids = list(rows.values_list("pk", flat=True))
    chosen = ImportBatchRow.objects.filter(AnyOf("id", ids), tenant=held.tenant_id)
    chosen.update(state=State.WAITING, code="", message="")
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
