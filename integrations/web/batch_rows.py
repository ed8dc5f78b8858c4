"""The rows of an import as its page shows them: by what became of them, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.http import QueryDict

from integrations.importing.batch_counts import BatchCounts
from integrations.importing.batches import rows_of_batch
from integrations.models import ImportBatch, ImportBatchRow

#: Rows of a page.
SIZE: Final = 100
#: Which rows a page may be narrowed to, by the word in its address.
SHOWN: Final[dict[str, dict[str, Any]]] = {
    "failed": {"chosen": True, "state": ImportBatchRow.State.FAILED},
    "done": {"chosen": True, "state": ImportBatchRow.State.DONE},
    "undone": {"chosen": True, "state": ImportBatchRow.State.UNDONE},
    "waiting": {"chosen": True, "state": ImportBatchRow.State.WAITING},
    "ticked": {"chosen": True},
    "unticked": {"chosen": False},
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in an import a person is: which rows are shown, from which position on."""

    show: str = ""
    start: int = 0

    @classmethod
    def of(cls, asked: QueryDict) -> Place:
        show, start = asked.get("show", ""), asked.get("from", "")
        position = int(start) if start.isdecimal() and len(start) < 9 else 0
        return cls(show if show in SHOWN else "", position)

    @property
    def query(self) -> str:
        """As an address says it."""
        said = {"show": self.show, "from": str(self.start or "")}
        return urlencode({name: value for name, value in said.items() if value})


@dataclass(frozen=True, slots=True)
class BatchTab:
    """Rows of one kind, "" = all, and how many they are."""

    key: str
    title: str
    number: int
    query: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class BatchPage:
    """Some rows of a batch from a place on; `previous` and `next` are places, None = none."""

    place: Place
    rows: list[ImportBatchRow]
    previous: Place | None
    next: Place | None


def rows_page(batch: ImportBatch, place: Place) -> BatchPage:
    """A page from a place on. Two statements."""
    rows = rows_of_batch(batch).filter(**SHOWN.get(place.show, {}))
    found = list(rows.filter(position__gte=place.start)[: SIZE + 1])
    before = rows.filter(position__lt=place.start).order_by("-position")
    earlier = list(before.values_list("position", flat=True)[:SIZE]) if place.start else []
    return BatchPage(
        place,
        found[:SIZE],
        Place(place.show, earlier[-1]) if earlier else None,
        Place(place.show, found[SIZE].position) if len(found) > SIZE else None,
    )


def tabs_of(batch: ImportBatch, counts: BatchCounts, place: Place) -> list[BatchTab]:
    """All rows, and each kind that there is."""
    numbers: dict[tuple[str, str], int]
    if batch.state == ImportBatch.State.REVIEW:
        numbers = {("Ticked", "ticked"): counts.chosen, ("Unticked", "unticked"): counts.unticked}
    else:
        some = {
            ("Waiting", "waiting"): counts.waiting,
            ("Undone", "undone"): counts.undone,
            ("Unticked", "unticked"): counts.unticked,
        }
        numbers = {
            ("Done", "done"): counts.done,
            ("Not done", "failed"): counts.failed,
            **{name: number for name, number in some.items() if number or place.show == name[1]},
        }
    tabs = [
        BatchTab(show, title, number, Place(show).query, place.show == show)
        for (title, show), number in numbers.items()
    ]
    return [BatchTab("", "All", counts.chosen + counts.unticked, "", not place.show), *tabs]
