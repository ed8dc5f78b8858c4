"""The rows of imports in numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Max, Q

from companies.models import Company
from integrations.models import ImportBatch, ImportBatchRow

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
