"""What a run says about its records: counts, events, and issues opened and closed with its pages.

Counts and events belong to the page that is being written: the writer takes the counts back when
the page fails, and writes events and issues in its transaction.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Final

from django.conf import settings
from django.db import models
from django.utils import timezone

from audit_site.db.bulk import bulk_upsert
from audit_site.db.lengths import fitted
from integrations.importing.record_store import Change, Changes
from integrations.issues.inbox import IssueReport, close_issues, open_issues, raise_issues
from integrations.kinds import BY_NAME, COMPANIES
from integrations.models import Issue, SyncEvent, SyncRun, no_counts
from integrations.psa.contract import RejectedRecord

#: What to do about a record that was set aside: where a person can mend it, and where only we can.
CORRECT: Final = "Correct it in the PSA, then press Sync Now; each night reads it again too."
SEND: Final = f"Press Sync Now. If it stays, send this to us: {settings.HELP_EMAIL}."
#: Codes of records that were set aside, which close themselves when the record can be read.
REJECTIONS: Final = frozenset({"invalid_record", "missing_id", "too_long"})
#: Code of an agreement that more than one company claims.
TWO_CLAIMS: Final = "two_claims"
#: Codes of what is over when a reading of all records of a kind did not meet it.
OVER_UNSEEN: Final = REJECTIONS | {TWO_CLAIMS}


class Journal:
    """Counts, events and issues of one run. A `kind` is a name of `integrations.kinds`."""

    def __init__(self, run: SyncRun) -> None:
        self.run = run
        self.integration = run.integration
        self.counts: dict[str, dict[str, int]] = {**no_counts(), **copy.deepcopy(run.counts)}
        self._events: list[SyncEvent] = []
        self._reports: list[IssueReport] = []

    # A page

    def begin_page(self) -> None:
        self._events, self._reports = [], []

    def write_page(self) -> None:
        """Write events and issues of the page; inside its transaction."""
        bulk_upsert(SyncEvent, self._events)
        raise_issues(self.integration, self._reports, self.run)

    def add(
        self, kind: str, changes: Changes[Any], rejected: Sequence[RejectedRecord] = ()
    ) -> None:
        """Count what was stored and log each record that changed."""
        self._count(kind, changes, len(rejected))
        self._events += [self._changed(kind, change) for change in changes.written]
        self._events += [self._rejected(kind, record) for record in rejected]
        self._reports += [_report(kind, record) for record in rejected]
        self._close_read(kind, changes, rejected)

    def _count(self, kind: str, changes: Changes[Any], rejected: int) -> None:
        count = self.counts[kind]
        created, updated = changes.count("created"), changes.count("updated", "returned")
        count["seen"] += created + updated + changes.unchanged + rejected
        count["created"] += created
        count["updated"] += updated
        count["unchanged"] += changes.unchanged
        count["gone"] += changes.count("gone")
        count["rejected"] += rejected

    def count_forgotten(self, kind: str, number: int) -> None:
        """Count what was left out because it was erased here; nothing else is noted of it."""
        if number:
            self.counts[kind]["forgotten"] = self.counts[kind].get("forgotten", 0) + number

    def add_gone(self, kind: str, rows: Iterable[models.Model]) -> None:
        """Count and log records that a complete reading no longer showed."""
        events = [self._event(kind, row.external_id, "gone", name=str(row)) for row in rows]  # type: ignore[attr-defined]
        self.counts[kind]["gone"] += len(events)
        self._events += events

    @property
    def rejected(self) -> int:
        """How many records of all kinds were set aside."""
        return sum(count["rejected"] for count in self.counts.values())

    # Events

    def _changed(self, kind: str, change: Change[Any]) -> SyncEvent:
        row = change.row
        return self._event(
            kind,
            row.external_id,
            change.kind,
            name=str(row),
            before=change.before,
            after=change.after,
        )

    def _rejected(self, kind: str, record: RejectedRecord) -> SyncEvent:
        return self._event(
            kind,
            record.external_id,
            "rejected",
            reason_code=record.code,
            reason_message=record.message,
        )

    def _event(
        self, kind: str, external_id: str, change: str, name: str = "", **values: Any
    ) -> SyncEvent:
        return SyncEvent(
            tenant_id=self.run.tenant_id,
            run_id=self.run.pk,
            kind=BY_NAME[kind].singular,
            external_id=fitted(SyncEvent, "external_id", external_id),
            name=fitted(SyncEvent, "name", name),
            change=change,
            **values,
        )

    # Issues

    @cached_property
    def open_causes(self) -> set[tuple[str, str, str]]:
        """Kind (singular), external id and code of the open issues, asked for once.

        There is nearly always none, and then nothing is closed.
        """
        rows = open_issues(self.integration)
        return set(rows.values_list("kind", "external_id", "code"))

    def has_issue(self, kind: str, external_id: str = "") -> bool:
        """Whether there was an open issue about this when the run began here."""
        return any(found[:2] == (kind, external_id) for found in self.open_causes)

    def has_rejections(self, kind: str) -> bool:
        """Whether records of a kind had been set aside before."""
        singular = BY_NAME[kind].singular
        return any(found[0] == singular and found[2] in REJECTIONS for found in self.open_causes)

    def raise_issue(self, report: IssueReport) -> None:
        """Open an issue together with the page that is being written."""
        self._reports.append(report)

    def close_unseen(self, kind: str) -> None:
        """Close the issues about records of a kind that a reading of all of them did not meet."""
        singular = BY_NAME[kind].singular
        if any(found[0] == singular and found[2] in OVER_UNSEEN for found in self.open_causes):
            rows = open_issues(self.integration).filter(kind=singular, code__in=OVER_UNSEEN)
            rows.filter(last_seen_at__lt=self.run.started_at).update(closed_at=timezone.now())

    def _close_read(
        self, kind: str, changes: Changes[Any], rejected: Sequence[RejectedRecord]
    ) -> None:
        """Close the issues of records that were set aside before and could be read now."""
        if not self.has_rejections(kind):
            return
        bad = {record.external_id for record in rejected}
        cured = {str(row.external_id) for row in changes.rows.values()} - bad
        close_issues(
            self.integration,
            kind=BY_NAME[kind].singular,
            codes=REJECTIONS,
            external_ids=cured,
        )


def _report(kind: str, record: RejectedRecord) -> IssueReport:
    """The issue about a record that was set aside."""
    external_id = fitted(Issue, "external_id", record.external_id)
    return IssueReport(
        BY_NAME[kind].singular,
        record.code,
        record.message,
        CORRECT if record.can_mend else SEND,
        external_id,
        company_external_id=external_id if kind == COMPANIES.name else "",
    )
