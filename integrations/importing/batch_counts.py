"""The rows of imports in numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Exists, Max, OuterRef, Q, Subquery

from companies.models import Company
from integrations.models import CompanyLink, ImportBatch, ImportBatchRow
from integrations.models.links import UNDOABLE as IS_UNDOABLE
from integrations.models.links import links_of_sides

State, Becomes = ImportBatchRow.State, ImportBatchRow.Becomes
#: Code of a row that an undo took back, and that somebody brought back, or is bringing back.
BACK: Final = "brought_back"
#: Code of a row whose two sides were linked with each other before.
THERE_BEFORE: Final = "already_linked"
#: What ties a row, and a link, to an audITee and a PSA company.
_SIDES: Final = ("company", "integration", "external_id")
_ACTIVE: Final = Q(company__status=Company.Status.ACTIVE)
#: Rows whose audITee the undo of their import archived: they can be brought back.
UNDO_ARCHIVED: Final = Q(state=State.UNDONE, made=True, company__status=Company.Status.ARCHIVED)


def _link_of_row() -> Q:
    """Whether the newest link between both sides of a row is one that can be undone."""
    outer = {name: OuterRef(OuterRef(name)) for name in ("tenant", *_SIDES)}
    newest = CompanyLink.objects.filter(**outer).order_by("-linked_at", "-id").values("pk")[:1]
    return Q(Exists(CompanyLink.objects.filter(IS_UNDOABLE, pk=Subquery(newest))))


def _is_free() -> Q:
    """Whether neither side of a row is linked."""
    of_ours, of_theirs = links_of_sides("integration", "external_id")
    return ~Q(Exists(of_ours)) & ~Q(Exists(of_theirs))


#: Rows whose link the undo of their import undid, and which can be made again.
UNDO_UNLINKED: Final = Q(state=State.UNDONE, becomes=Becomes.LINK) & _ACTIVE & _is_free()
#: Rows of which an undo of their import takes something back: the audITee that it made is active,
#: or the link that it made stands.
UNDOABLE: Final = Q(state=State.DONE) & (
    (Q(becomes=Becomes.NEW, made=True) & _ACTIVE)
    | (Q(becomes=Becomes.LINK) & ~Q(code=THERE_BEFORE) & _link_of_row())
)


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """The rows of a batch in numbers; those that were unticked are only in `unticked`.

    `archived`: audITees that it made and an undo archived; `unlinked`: links that an undo undid and
    that can be made again; `back`: rows that were brought back, and `back_at` when the last of them
    was. `undoable`: rows of which an undo takes something back, and `untouched` those of them that
    were never undone.
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
    unlinked: int
    back: int
    undoable: int
    untouched: int
    back_at: datetime | None

    @property
    def taken_back(self) -> int:
        """How many were undone, whether they are back by now or not."""
        return self.undone + self.back

    @property
    def can_come_back(self) -> int:
        return self.archived + self.unlinked

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
    chosen, is_back = Q(chosen=True), Q(state=State.DONE, code=BACK)
    sums: dict[str, Any] = {
        "new": Count("pk", filter=chosen & Q(becomes=Becomes.NEW)),
        "links": Count("pk", filter=chosen & Q(becomes=Becomes.LINK)),
        "unticked": Count("pk", filter=~chosen),
        "archived": Count("pk", filter=chosen & UNDO_ARCHIVED),
        "unlinked": Count("pk", filter=chosen & UNDO_UNLINKED),
        "back": Count("pk", filter=chosen & is_back),
        "back_at": Max("done_at", filter=chosen & is_back),
        "undoable": Count("pk", filter=chosen & UNDOABLE),
        "untouched": Count("pk", filter=chosen & UNDOABLE & ~is_back),
        **{state.value: Count("pk", filter=chosen & Q(state=state)) for state in State},
    }
    counted: Any = rows.order_by().values("batch").annotate(**sums)
    numbers = {one["batch"]: BatchCounts(**{name: one[name] for name in sums}) for one in counted}
    nothing: Any = {**dict.fromkeys(sums, 0), "back_at": None}
    return {batch.pk: numbers.get(batch.pk) or BatchCounts(**nothing) for batch in found}
