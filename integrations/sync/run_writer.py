"""The pen of a sync run: one transaction a page, with its counts, events and checkpoint.

Everything a run writes goes through here, and is refused when another worker has taken it over. The
checkpoint says which phases are `done`, which kinds were `read` to their end, and where the phase
under way goes on (`cursor`, `passed`, `after_link`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

from audit_site.db.bulk import bulk_upsert
from integrations.importing.record_store import Changes
from integrations.issues.inbox import IssueReport, close_issues, open_issues, raise_issues
from integrations.models import SyncEvent, SyncRun, SyncRunPage, no_counts
from integrations.psa.contract import RejectedRecord
from integrations.psa.errors import PsaError
from integrations.runs import leases, shutdown
from integrations.runs.starting import start_follower

SINGULAR = {
    "companies": "company",
    "contacts": "contact",
    "agreements": "agreement",
    "lines": "line",
}

#: What to do about a record that was set aside: where a person can mend it, and where only we can.
CORRECT = "Correct it in the PSA, then press Sync Now; each night reads it again too."
SEND = f"Press Sync Now. If it stays, send this to us: {settings.HELP_EMAIL}."


class RunCancelled(Exception):
    """Someone cancelled the run: end it here, what is stored stays."""


#: Codes of records that were set aside, which close themselves when the record can be read.
REJECTIONS = frozenset({"invalid_record", "missing_id", "too_long"})
#: Two companies have one agreement, and nothing says whose it is.
TWO_CLAIMS = "two_claims"
#: What is over when a reading of all records of a kind did not meet it.
OVER_UNSEEN = REJECTIONS | {TWO_CLAIMS}
PLACES = ("cursor", "passed", "after_link")
#: What nobody but the run itself notes in its pages; most runs have nothing to note there.
OWN_NOTES = frozenset({"touched", "absent agreements", "absent lines"})


class RunWriter:
    """The pen of one claimed run."""

    def __init__(self, run: SyncRun) -> None:
        self.run = run
        self.counts: dict[str, dict[str, int]] = {**no_counts(), **copy.deepcopy(run.counts)}
        self.checkpoint: dict[str, Any] = copy.deepcopy(run.checkpoint)
        self._events: list[SyncEvent] = []
        self._troubles: list[IssueReport] = []
        self._phase = run.phase
        self._requests = run.requests

    def count_request(self) -> None:
        """One more request to the PSA; from several threads."""
        shutdown.check()
        self._requests += 1

    @contextmanager
    def page(
        self,
        phase: str,
        *,
        done: int | None = None,
        total: int | None = None,
        is_last: bool = False,
    ) -> Iterator[None]:
        """One transaction: the records written inside, and with them counts, events and checkpoint.

        Writers of one integration take turns here, so that an import beside a full run never writes
        the same row at the same moment. `is_last`: with this page the phase is done.
        """
        shutdown.check()
        self._events, self._troubles = [], []
        counts, checkpoint = copy.deepcopy(self.counts), copy.deepcopy(self.checkpoint)
        try:
            with transaction.atomic():
                self._hold()
                yield
                bulk_upsert(SyncEvent, self._events)
                self.checkpoint["parks"] = 0  # it gets on
                self.checkpoint["attempts"] = self.run.attempts
                raise_issues(self.run.integration, self._troubles, self.run)
                if is_last:
                    self.end_phase(phase)
                self._save(phase, done, total)
        except BaseException:
            self.counts, self.checkpoint = counts, checkpoint
            raise

    def end_phase(self, phase: str) -> None:
        self.checkpoint.setdefault("done", []).append(phase)
        for place in PLACES:
            self.checkpoint.pop(place, None)

    def _hold(self) -> None:
        """Lock the run, if it is still ours, and its integration."""
        row = (
            leases.held(self.run)
            .select_related("integration")
            .select_for_update(of=("integration", "self"), no_key=True)
            .only("cancel_requested", "integration__id")
            .first()
        )
        if row is None:
            raise leases.LeaseLost
        if row.cancel_requested:
            raise RunCancelled

    def _save(self, phase: str, done: int | None, total: int | None) -> None:
        now = timezone.now()
        values: dict[str, Any] = {"progress_done": done} if done is not None else {}
        if total is not None or done is not None:
            values["progress_total"] = total
        if phase != self._phase:
            self._phase = phase
            values["phase_started_at"] = now
        leases.held(self.run).update(
            phase=phase,
            counts=self.counts,
            checkpoint=self.checkpoint,
            lease_until=now + leases.LEASE,
            requests=self._requests,
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
        self._troubles += [
            IssueReport(
                SINGULAR[kind],
                record.code,
                record.message,
                CORRECT if record.can_mend else SEND,
                record.external_id[:100],
                company_external_id=record.external_id[:100] if kind == "companies" else "",
            )
            for record in rejected
        ]
        self._close_read(kind, changes, rejected)

    def _close_read(
        self, kind: str, changes: Changes[Any], rejected: Sequence[RejectedRecord]
    ) -> None:
        """Close the issues of records that were set aside before and could be read now."""
        single = SINGULAR[kind]
        if not self.has_rejections(single):
            return
        bad = {record.external_id for record in rejected}
        cured = {str(row.external_id) for row in changes.rows.values()} - bad
        close_issues(self.run.integration, kind=single, codes=REJECTIONS, external_ids=cured)

    def close_unseen(self, kind: str) -> None:
        """Close the issues about records of a kind that a reading of all of them did not meet."""
        single = SINGULAR[kind]
        if any(found[0] == single and found[2] in OVER_UNSEEN for found in self.open_causes):
            rows = open_issues(self.run.integration).filter(kind=single, code__in=OVER_UNSEEN)
            rows.filter(last_seen_at__lt=self.run.started_at).update(closed_at=timezone.now())

    def has_issue(self, kind: str, external_id: str = "") -> bool:
        """Whether there was an open issue about this when the run came here."""
        return any(found[:2] == (kind, external_id) for found in self.open_causes)

    def has_rejections(self, kind: str) -> bool:
        return any(found[0] == kind and found[2] in REJECTIONS for found in self.open_causes)

    @cached_property
    def open_causes(self) -> set[tuple[str, str, str]]:
        """What issues are open, asked for once: nearly always none, and then nothing is closed."""
        rows = open_issues(self.run.integration)
        return set(rows.values_list("kind", "external_id", "code"))

    def raise_trouble(self, trouble: IssueReport) -> None:
        """Open an issue together with the page that is being written."""
        self._troubles.append(trouble)

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
            noted = self.checkpoint.setdefault("noted", [])
            if kind not in noted:
                noted.append(kind)
        if unnamed:
            self.checkpoint.setdefault("unproven", {})[kind] = True

    def saw_for_full_run(self, kind: str, external_ids: list[str]) -> None:
        """Tell a run over everything that is under way what this one has just seen: what came
        behind its back is not gone.
        """
        full = SyncRun.objects.filter(
            tenant=self.run.tenant_id,
            integration=self.run.integration_id,
            scope=SyncRun.Scope.ALL,
            state=SyncRun.State.RUNNING,
        ).first()
        if full is not None and external_ids:
            SyncRunPage.objects.create(
                tenant_id=full.tenant_id, run_id=full.pk, kind=kind, external_ids=external_ids
            )

    def note_absent(self, kind: str, ids: Sequence[UUID], began: datetime) -> None:
        """Note rows of ours that a reading, begun at this moment, did not show."""
        if ids:
            self.saw(f"absent {kind}", [began.isoformat(), *map(str, ids)])

    def pages(self, kind: str) -> Iterator[list[Any]]:
        """What was noted under this name, page by page."""
        if kind in OWN_NOTES and kind not in self.checkpoint.get("noted", []):
            return
        rows = SyncRunPage.objects.filter(tenant=self.run.tenant_id, run=self.run, kind=kind)
        yield from rows.order_by("id").values_list("external_ids", flat=True)

    def seen(self, kind: str) -> set[str]:
        return {external_id for ids in self.pages(kind) for external_id in ids}

    def proves_absence(self, kind: str) -> bool:
        return kind not in self.checkpoint.get("unproven", {})

    def note_newest(self, kind: str, records: Sequence[Any]) -> None:
        """Remember the newest stamp of the PSA's own clock."""
        stamps = [record.changed_at for record in records if record.changed_at is not None]
        if stamps:
            newest = self.checkpoint.setdefault("newest", {})
            latest = max(stamps).astimezone(UTC).isoformat()
            newest[kind] = max(newest.get(kind, ""), latest)

    # Trouble

    def note_trouble(self, error: PsaError) -> None:
        """Remember the first thing that was refused; the run goes on with the rest and ends
        `partial`. Call it inside a page.
        """
        self.checkpoint.setdefault(
            "trouble", {"code": error.code, "message": error.message, "fix": error.fix}
        )

    def wait(self, seconds: float, reason: str) -> None:
        """Show that the run waits in place (it holds its lease)."""
        shutdown.check()
        leases.held(self.run).update(
            waiting_for=reason[:255], resume_at=timezone.now() + timedelta(seconds=seconds)
        )

    def park(self, until: datetime, reason: str, *, counts: bool = True) -> None:
        """Give the run back until a moment; the sweeper sends it again.

        `counts`: a run that is parked too often without reading anything gives up. One that a
        person has cancelled ends here.
        """
        if leases.held(self.run).filter(cancel_requested=True).exists():
            self.end(SyncRun.State.CANCELLED)
            return
        self.checkpoint["parks"] = self.checkpoint.get("parks", 0) + counts
        leases.held(self.run).update(
            checkpoint=self.checkpoint,
            requests=self._requests,
            waiting_for=reason[:255],
            resume_at=until,
            lease_until=None,
            dispatched_at=None,
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
            requests=self._requests,
            error_code=error.code if error else trouble.get("code", ""),
            error_message=error.message if error else trouble.get("message", ""),
            error_fix=error.fix if error else trouble.get("fix", ""),
        )
        if ended and "noted" in self.checkpoint:
            SyncRunPage.objects.filter(tenant=self.run.tenant_id, run=self.run).delete()
        if ended:
            start_follower(self.run)
        return bool(ended)
