"""Which ids a run has seen (`SyncRunPage`), to know at its end what is gone.

Notes are written inside pages of the run and deleted when it ends. Apart from the ids of each kind
there are four notes of the run's own: `touched` (companies whose contacts differ), agreements and
lines of ours that a reading did not show (`absent agreements`, `absent lines`), and the agreements
that its first round has read (`todays_first`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet

from integrations.models import SyncRun, SyncRunPage
from integrations.sync.checkpoint import Checkpoint
from integrations.sync.todays_first import TODAYS

#: Companies to check the rules for, because their contacts differ.
TOUCHED: Final = "touched"
#: What nobody but the run itself notes in its pages; most runs have nothing to note there.
OWN_NOTES: Final = frozenset({TOUCHED, "absent agreements", "absent lines", TODAYS})


class SeenIds:
    """The notes of one run."""

    def __init__(self, run: SyncRun, checkpoint: Checkpoint) -> None:
        self.run = run
        self.checkpoint = checkpoint

    def note(self, name: str, external_ids: list[str], *, unnamed: bool = False) -> None:
        """Note the ids on a page.

        `unnamed`: a record had no id, so that no absence proves anything.
        """
        if external_ids:
            _write(self.run, name, external_ids)
            if name not in self.checkpoint.noted:
                self.checkpoint.noted.append(name)
        if unnamed:
            self.checkpoint.unproven[name] = True

    def note_for_full_run(self, kind: str, external_ids: list[str]) -> None:
        """Note for a run over everything that is under way what this one has just seen.

        What appeared after that run had read the list is not gone.
        """
        full = SyncRun.objects.filter(
            tenant=self.run.tenant_id,
            integration=self.run.integration_id,
            scope=SyncRun.Scope.ALL,
            state=SyncRun.State.RUNNING,
        ).first()
        if full is not None and external_ids:
            _write(full, kind, external_ids)

    def note_absent(self, kind: str, pks: Sequence[UUID], began: datetime) -> None:
        """Note rows of ours that a reading, which began at this moment, did not show."""
        if pks:
            self.note(f"absent {kind}", [began.isoformat(), *map(str, pks)])

    def absent(self, kind: str) -> Iterator[tuple[datetime, list[str]]]:
        """When a reading began, and the primary keys of the rows that it did not show."""
        for began, *pks in self._pages(f"absent {kind}"):
            yield datetime.fromisoformat(began), pks

    def ids(self, name: str) -> set[str]:
        """All ids noted under this name."""
        return {external_id for ids in self._pages(name) for external_id in ids}

    def _pages(self, name: str) -> Iterator[list[Any]]:
        """What was noted under this name, page by page."""
        if name in OWN_NOTES and name not in self.checkpoint.noted:
            return
        rows = self._rows().filter(kind=name).order_by("id")
        yield from rows.values_list("external_ids", flat=True)

    def forget(self) -> None:
        """Delete all notes: the run has ended."""
        if self.checkpoint.noted:
            self._rows().delete()

    def _rows(self) -> QuerySet[SyncRunPage]:
        return SyncRunPage.objects.filter(tenant=self.run.tenant_id, run=self.run)


def _write(run: SyncRun, name: str, external_ids: list[str]) -> None:
    SyncRunPage.objects.create(
        tenant_id=run.tenant_id, run_id=run.pk, kind=name, external_ids=external_ids
    )
