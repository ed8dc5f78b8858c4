"""The pen of a sync run: one transaction a page, with its counts, events and checkpoint.

Everything a run writes goes through here, and is refused when another worker has taken it over.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from integrations.models import Integration, SyncEvent, SyncRun, SyncRunPage, no_counts
from integrations.psa.contract import RejectedRecord
from integrations.psa.errors import PsaError
from integrations.services import leases
from integrations.services.records import Changes

SINGULAR = {
    "companies": "company",
    "contacts": "contact",
    "agreements": "agreement",
    "lines": "line",
}


class RunCancelled(Exception):
    """Someone cancelled the run: end it here, what is stored stays."""


class RunWriter:
    """The pen of one claimed run."""

    def __init__(self, run: SyncRun) -> None:
        self.run = run
        self.counts: dict[str, dict[str, int]] = {**no_counts(), **copy.deepcopy(run.counts)}
        self.checkpoint: dict[str, Any] = copy.deepcopy(run.checkpoint)
        self._events: list[SyncEvent] = []

    @contextmanager
    def page(
        self, phase: str, *, done: int | None = None, total: int | None = None
    ) -> Iterator[None]:
        """One transaction: the records written inside, and with them counts, events and checkpoint.

        Writers of one integration take turns here, so that an import beside a full run never writes
        the same row at the same moment.
        """
        self._events = []
        counts, checkpoint = copy.deepcopy(self.counts), copy.deepcopy(self.checkpoint)
        try:
            with transaction.atomic():
                Integration.objects.select_for_update(no_key=True).get(
                    tenant=self.run.tenant_id, pk=self.run.integration_id
                )
                self._hold()
                yield
                SyncEvent.objects.bulk_create(self._events)
                self._save(phase, done, total)
        except BaseException:
            self.counts, self.checkpoint = counts, checkpoint
            raise

    def _hold(self) -> None:
        row = leases.held(self.run).select_for_update().values("cancel_requested").first()
        if row is None:
            raise leases.LeaseLost
        if row["cancel_requested"]:
            raise RunCancelled

    def _save(self, phase: str, done: int | None, total: int | None) -> None:
        values: dict[str, Any] = {"progress_done": done} if done is not None else {}
        if total is not None or done is not None:
            values["progress_total"] = total
        leases.held(self.run).update(
            phase=phase,
            counts=self.counts,
            checkpoint=self.checkpoint,
            lease_until=timezone.now() + leases.LEASE,
            waiting_for="",
            resume_at=None,
            **values,
        )

    def add(
        self, kind: str, changes: Changes[Any], rejected: Sequence[RejectedRecord] = ()
    ) -> None:
        """Count what was stored and log each record that changed."""
        count = self.counts[kind]
        created, updated = changes.count("created"), changes.count("updated", "returned")
        count["seen"] += created + updated + changes.unchanged + len(rejected)
        count["created"] += created
        count["updated"] += updated
        count["unchanged"] += changes.unchanged
        count["gone"] += changes.count("gone")
        count["rejected"] += len(rejected)
        self._events += [
            self._event(
                kind,
                change.row.external_id,
                change.kind,
                str(change.row),
                change.before,
                change.after,
            )
            for change in changes.written
        ]
        self._events += [
            self._event(
                kind, record.external_id, "rejected", code=record.code, message=record.message
            )
            for record in rejected
        ]

    def add_gone(self, kind: str, rows: Iterable[models.Model]) -> None:
        """Count and log records that a complete pass no longer saw."""
        events = [self._event(kind, row.external_id, "gone", str(row)) for row in rows]  # type: ignore[attr-defined]
        self.counts[kind]["gone"] += len(events)
        self._events += events

    def _event(
        self,
        kind: str,
        external_id: str,
        change: str,
        name: str = "",
        before: Any = None,
        after: Any = None,
        *,
        code: str = "",
        message: str = "",
    ) -> SyncEvent:
        return SyncEvent(
            tenant_id=self.run.tenant_id,
            run_id=self.run.pk,
            kind=SINGULAR[kind],
            external_id=external_id[:100],
            name=name[:255],
            change=change,
            reason_code=code,
            reason_message=message,
            before=before,
            after=after,
        )

    # What a pass has seen, to know at its end what is gone

    def saw(self, kind: str, external_ids: list[str], *, unnamed: bool = False) -> None:
        """Note the ids on a page.

        `unnamed`: a record without an id came, so no absence proves anything.
        """
        if external_ids:
            SyncRunPage.objects.create(
                tenant_id=self.run.tenant_id,
                run_id=self.run.pk,
                kind=kind,
                external_ids=external_ids,
            )
        if unnamed:
            self.checkpoint.setdefault("unproven", {})[kind] = True

    def seen(self, kind: str) -> set[str]:
        pages = SyncRunPage.objects.filter(tenant=self.run.tenant_id, run=self.run, kind=kind)
        return {
            external_id
            for ids in pages.values_list("external_ids", flat=True)
            for external_id in ids
        }

    def proves_absence(self, kind: str) -> bool:
        return kind not in self.checkpoint.get("unproven", {})

    # Trouble

    def note_trouble(self, error: PsaError) -> None:
        """Remember the first thing that was refused;

        the run goes on with the rest and ends `partial`.
        """
        self.checkpoint.setdefault(
            "trouble", {"code": error.code, "message": error.message, "fix": error.fix}
        )
        leases.held(self.run).update(checkpoint=self.checkpoint)

    def wait(self, seconds: float, reason: str) -> None:
        """Show that the run waits in place (it holds its lease)."""
        leases.held(self.run).update(
            waiting_for=reason[:255], resume_at=timezone.now() + timedelta(seconds=seconds)
        )

    def park(self, until: datetime, reason: str) -> None:
        """Give the run back until a moment; the sweeper sends it again."""
        self.checkpoint["parks"] = self.checkpoint.get("parks", 0) + 1
        leases.held(self.run).update(
            checkpoint=self.checkpoint, waiting_for=reason[:255], resume_at=until, lease_until=None
        )

    def end(self, state: str, error: PsaError | None = None) -> bool:
        """End the run; False when another worker holds it now."""
        trouble = self.checkpoint.get("trouble", {})
        ended = leases.held(self.run).update(
            state=state,
            phase="",
            finished_at=timezone.now(),
            lease_until=None,
            resume_at=None,
            waiting_for="",
            error_code=error.code if error else trouble.get("code", ""),
            error_message=error.message if error else trouble.get("message", ""),
            error_fix=error.fix if error else trouble.get("fix", ""),
        )
        if ended:
            SyncRunPage.objects.filter(tenant=self.run.tenant_id, run=self.run).delete()
        return bool(ended)
