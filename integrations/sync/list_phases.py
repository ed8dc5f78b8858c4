"""Reading the PSA's lists of companies and contacts: everything, or what changed of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from django.utils import timezone

from audit_site.db.bulk import AnyOf
from integrations.importing import mirror
from integrations.importing.forgotten import forgotten_among
from integrations.importing.record_store import Changes
from integrations.kinds import COMPANIES, CONTACTS
from integrations.models import PsaCompanyRecord, PsaContactRecord, SyncRun
from integrations.psa.contract import PsaContact, PsaPage
from integrations.psa.listing import is_newer
from integrations.sync.gathering import Gathering
from integrations.sync.moves import note_moves
from integrations.sync.phase import Phase
from integrations.sync.read_ahead import read_ahead
from integrations.sync.rules_phase import checks_all_rules
from integrations.sync.run_writer import RunWriter
from integrations.sync.seen_ids import TOUCHED

#: What changed is asked for from this long before the watermark: a PSA may show a change late.
OVERLAP: Final = timedelta(minutes=10)
#: So many records of a list are stored together at the most.
MOST_RECORDS: Final = 5000


def is_read_whole(writer: RunWriter, kind: str) -> bool:
    """Whether this run reads all records of a kind, so that what is missing shows."""
    is_full = writer.run.reading == SyncRun.Reading.FULL
    return is_full or kind in writer.checkpoint.lists_read_whole


class ListPhase(Phase):
    """Reads one list to its end. Its name is the kind of its records, `model` where they go."""

    model: ClassVar[type[PsaCompanyRecord | PsaContactRecord]]
    #: Ids that an earlier attempt at this list has stored.
    _earlier: set[str]

    @abstractmethod
    def pages(self, cursor: str | None, since: datetime | None) -> Iterator[PsaPage[Any]]:
        """Ask the PSA: from a cursor on (None = the beginning), what changed since a moment."""

    @abstractmethod
    def store(self, records: Sequence[Any], now: datetime) -> Changes[Any]:
        """Inside a page: store what a page of the list showed."""

    def known(self, page: PsaPage[Any]) -> PsaPage[Any]:
        """Inside a page: what of a page of the list is kept here."""
        return page

    def run(self) -> None:
        since = self._since()
        passed = self._read(self.pages(self.checkpoint.cursor, since))
        if since is not None and not passed:
            # The record that set the mark should be in the answer: a PSA that shows nothing may not
            # understand the question (a self-hosted one was seen to do so). Read it all.
            self.checkpoint.lists_read_whole.append(self.name)
            self._read(self.pages(None, None))

    def _since(self) -> datetime | None:
        """From which moment of the PSA's clock on changes are asked for; None = for everything."""
        mark = self.integration.watermarks.get(self.name)
        if mark is None or is_read_whole(self.writer, self.name):
            return None
        return datetime.fromisoformat(mark) - OVERLAP

    def _read(self, pages: Iterator[PsaPage[Any]]) -> int:
        """Read to the end, a page ahead of what is being written; how many records there were."""
        passed = self.checkpoint.passed
        self._earlier = self.seen.ids(self.name) if self.checkpoint.cursor else set()
        before: set[str] = set()  # what was counted when the list was read the first time
        known_total = self._known_total()
        for page in Gathering(self._join).of(read_ahead(pages)):
            if page is None:
                continue
            before = before or (self.seen.ids(self.name) if page.again else before)
            passed += sum(
                record.external_id not in before for record in (*page.records, *page.rejected)
            )
            is_last = page.cursor is None and (passed > 0 or self._since() is None)
            total = page.total or known_total
            with self.writer.page(self.name, done=passed, total=total, is_last=is_last):
                self._store_page(page, before)
                self.checkpoint.cursor, self.checkpoint.passed = page.cursor, passed
                if is_last:
                    self._end_list()
        return passed

    def _join(self, one: PsaPage[Any], other: PsaPage[Any]) -> PsaPage[Any] | None:
        """Two pages of a list as one; not of its first reading, of which each shows at once."""
        is_first = self.name not in self.integration.watermarks
        if is_first or one.again or other.again or one.short or other.short:
            return None
        if len(one.records) + len(other.records) > MOST_RECORDS:
            return None
        return replace(
            other,
            records=one.records + other.records,
            rejected=one.rejected + other.rejected,
            total=other.total or one.total,
        )

    def _known_total(self) -> int | None:
        """The list's length: an adapter that continues in its middle does not say it again."""
        is_under_way = self.sync_run.phase == self.name
        return self.sync_run.progress_total if is_under_way else None

    def _store_page(self, page: PsaPage[Any], before: set[str]) -> None:
        page = self.known(page)
        self.report_short(self.name, page.short)
        rejected = [record for record in page.rejected if record.external_id not in before]
        records = page.records if page.again else self._without_older(page.records)
        changes = self.store(records, timezone.now())
        changes.forget_unchanged(before)
        self.journal.add(self.name, changes, rejected)
        named = [record.external_id for record in (*page.records, *page.rejected)]
        unnamed = any(not record.external_id for record in page.rejected)
        self.seen.note(self.name, [id_ for id_ in named if id_], unnamed=unnamed)
        self.checkpoint.note_newest(self.name, page.records)

    def _without_older(self, records: Sequence[Any]) -> Sequence[Any]:
        """Those that are no older version of what this run had stored before it was interrupted:
        an adapter knows only what it has read itself.
        """
        again = [one.external_id for one in records if one.external_id in self._earlier]
        if not again:
            return records
        rows = self.model.objects.of(self.integration).filter(AnyOf("external_id", again))
        stamps = dict(rows.values_list("external_id", "changed_at"))
        return [
            one
            for one in records
            if one.external_id not in stamps or is_newer(one.changed_at, stamps[one.external_id])
        ]

    def _end_list(self) -> None:
        self.writer.on_moment("list read", self.name)
        self.checkpoint.lists_read.append(self.name)
        self.close_right()
        if is_read_whole(self.writer, self.name):
            self.journal.close_unseen(self.name)


def without_forgotten(writer: RunWriter, page: PsaPage[PsaContact]) -> PsaPage[PsaContact]:
    """Inside a page: contacts without those that were erased here, which are counted as such."""
    ids = [one.external_id for one in page.records] + [one.external_id for one in page.rejected]
    left_out = forgotten_among(writer.integration, ids)
    if not left_out:
        return page
    writer.journal.count_forgotten(CONTACTS.name, len(left_out))
    return replace(
        page,
        records=tuple(one for one in page.records if one.external_id not in left_out),
        rejected=tuple(one for one in page.rejected if one.external_id not in left_out),
    )


class CompaniesPhase(ListPhase):
    """All companies, or those that changed."""

    name = COMPANIES.name
    title = "Reading companies"
    counted = COMPANIES
    model = PsaCompanyRecord

    def pages(self, cursor: str | None, since: datetime | None) -> Iterator[PsaPage[Any]]:
        return self.adapter.companies(cursor=cursor, changed_since=since)

    def store(self, records: Sequence[Any], now: datetime) -> Changes[Any]:
        return mirror.store_companies(self.integration, records, now)


class ContactsPhase(ListPhase):
    """All contacts, or those that changed."""

    name = CONTACTS.name
    title = "Reading contacts"
    counted = CONTACTS
    model = PsaContactRecord

    def pages(self, cursor: str | None, since: datetime | None) -> Iterator[PsaPage[Any]]:
        return self.adapter.contacts(cursor=cursor, changed_since=since)

    def known(self, page: PsaPage[Any]) -> PsaPage[Any]:
        return without_forgotten(self.writer, page)

    def store(self, records: Sequence[Any], now: datetime) -> Changes[Any]:
        changes = mirror.store_contacts(self.integration, records, now)
        touched = note_moves(self.checkpoint, changes)
        if not checks_all_rules(self.writer):
            self.seen.note(TOUCHED, touched)
        return changes
