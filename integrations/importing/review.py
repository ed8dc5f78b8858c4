"""What people change in a review, before it is started or left."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from django.db import transaction

from audit_site.db.bulk import bulk_upsert
from audit_site.db.folded_text import storable
from audit_site.db.lengths import fitted
from companies.services import licence
from integrations.importing.batch_counts import counts_of
from integrations.importing.batches import held_batch, rows_of_batch
from integrations.models import ImportBatch, ImportBatchRow

Becomes = ImportBatchRow.Becomes


@dataclass(frozen=True, slots=True)
class RowChoice:
    """What a person chose of one row; None = as it is. `primary_contact` is the PSA's id."""

    primary_contact: str | None = None
    type: str | None = None
    becomes: str | None = None


@transaction.atomic
def choose_rows(
    *,
    batch: ImportBatch,
    shown: Collection[UUID],
    ticked: Collection[UUID],
    choices: Mapping[UUID, RowChoice] = MappingProxyType({}),
) -> None:
    """Keep of the rows that a page of the review shows those that are ticked, as they are chosen.

    Three statements at the most.
    """
    held_batch(batch, ImportBatch.State.REVIEW)
    rows = ImportBatchRow.objects.filter(tenant=batch.tenant_id, batch=batch, pk__in=list(shown))
    changed = [row for row in rows if _choose(row, row.pk in ticked, choices.get(row.pk))]
    bulk_upsert(ImportBatchRow, changed)


def _choose(row: ImportBatchRow, is_ticked: bool, choice: RowChoice | None) -> bool:
    """Set on a row what was chosen; whether that differs from what was there."""
    before = (row.chosen, row.primary_contact, row.type, row.becomes)
    row.chosen = is_ticked
    if choice is not None:
        if choice.primary_contact is not None:
            row.primary_contact = fitted(
                ImportBatchRow, "primary_contact", storable(choice.primary_contact)
            )
        row.type = row.type if choice.type is None else choice.type
        if row.company_id is not None and choice.becomes in Becomes.values:
            row.becomes = choice.becomes
    return before != (row.chosen, row.primary_contact, row.type, row.becomes)


@transaction.atomic
def keep_what_fits(*, batch: ImportBatch) -> None:
    """Untick new ones from the end, until the licence has room for the others."""
    held = held_batch(batch, ImportBatch.State.REVIEW)
    free = licence(held.tenant).free
    rows = rows_of_batch(held).filter(chosen=True, becomes=Becomes.NEW)
    first_over = rows.values_list("position", flat=True)[free : free + 1]
    for position in first_over:
        rows.filter(position__gte=position).order_by().update(chosen=False)


@transaction.atomic
def leave(*, batch: ImportBatch) -> None:
    """A person goes on without starting a review: one in which nothing is ticked is dropped."""
    held = held_batch(batch, ImportBatch.State.REVIEW)
    if not counts_of([held])[held.pk].chosen:
        held.delete()
