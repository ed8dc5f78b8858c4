"""What a sync run reads, phase by phase, and how each goes on where a dead worker stopped.

A page is read first and then written in one transaction together with the run's checkpoint. Nothing
is marked gone but at the end of a pass that was read completely (`absences`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from agreements import stored_mrr
from agreements.models import CompanyBook
from audit_site.db.batches import batched, with_last
from audit_site.db.bulk import AnyOf
from companies.models import Company
from integrations.importing import mirror
from integrations.importing.record_store import Changes
from integrations.importing.rules import REASONS
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, close_issues
from integrations.models import (
    CompanyLink,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncRun,
)
from integrations.psa.contract import PsaAdapter, PsaCompany, RejectedRecord
from integrations.psa.errors import PsaRefused
from integrations.sync import linked_agreements, linked_companies
from integrations.sync.absences import Absences
from integrations.sync.read_ahead import prefetch
from integrations.sync.run_writer import RunWriter

CHUNK: Final = 1000
#: Companies whose contacts are read and written together.
CONTACT_BATCH: Final = 500
#: From so many on, changed companies' MRR is worked out at once, and not at the end.
MANY_BOOKS: Final = 100
#: What changed is asked for from this long before the mark: a PSA may show a change late.
OVERLAP: Final = timedelta(minutes=10)
#: Contacts that moved to another company: so many are remembered in a run.
MOST_MOVES: Final = 500
RULE_CODES: Final = frozenset(REASONS)


class SyncPass:
    """The phases of one run.

    Each goes on where the checkpoint says, and is skipped when it is done.
    """

    def __init__(self, run: SyncRun, writer: RunWriter, adapter: PsaAdapter) -> None:
        self.run_row = run
        self.integration = run.integration
        self.writer = writer
        self.adapter = adapter
        self.info = run.integration.psa_info
        self.absences = Absences(run, writer, adapter)
        self.scope = {"tenant": run.tenant_id, "integration": run.integration}
        self._stale: set[UUID] = set()

    def run(self) -> None:
        for name, phase in self._phases():
            if self._is_done(name):
                continue
            try:
                phase()
            except PsaRefused as error:
                if error.code != "permission_denied":
                    raise
                self._lose_right(name, error)
            if not self._is_done(name):
                with self.writer.page(name, is_last=True):
                    pass

    def _phases(self) -> list[tuple[str, Callable[[], None]]]:
        if self.run_row.scope == SyncRun.Scope.ALL:
            first = [
                ("companies", self.read_companies),
                ("contacts", self.read_contacts),
                ("absences", self.settle_absences),
            ]
        else:
            first = [("companies", self.reread_companies), ("contacts", self.reread_contacts)]
        return [*first, ("rules", self.check_rules), ("agreements", self.read_agreements)]

    def _is_done(self, phase: str) -> bool:
        return phase in self.writer.checkpoint.get("done", [])

    def _lose_right(self, phase: str, error: PsaRefused) -> None:
        """One kind of data is refused: say which right is missing, and go on with the rest."""
        with self.writer.page(phase, is_last=True):
            self._tell_right(error, phase)

    def _tell_right(self, error: PsaRefused, kind: str) -> None:
        right = error.right or f"read_{kind}"
        self.writer.note_trouble(error)
        self.writer.raise_trouble(
            IssueReport(KIND_INTEGRATION, error.code, error.message, error.fix, right)
        )

    def _keep_right(self, kind: str) -> None:
        right = f"read_{kind}"
        if self.writer.has_issue(KIND_INTEGRATION, right):
            close_issues(
                self.integration,
                kind=KIND_INTEGRATION,
                codes={"permission_denied"},
                external_ids={right},
            )

    # Everything the PSA shows, or what changed of it

    def read_companies(self) -> None:
        def read(cursor: str | None, since: datetime | None) -> Iterator[Any]:
            return self.adapter.companies(cursor=cursor, changed_since=since)

        def write(records: Sequence[Any], now: datetime) -> Changes[Any]:
            return mirror.store_companies(self.integration, records, now)

        self._read_list("companies", read, write)

    def read_contacts(self) -> None:
        def read(cursor: str | None, since: datetime | None) -> Iterator[Any]:
            return self.adapter.contacts(cursor=cursor, changed_since=since)

        def write(records: Sequence[Any], now: datetime) -> Changes[Any]:
            changes = mirror.store_contacts(self.integration, records, now)
            self._note_moves(changes)
            return changes

        self._read_list("contacts", read, write)

    def _read_list(
        self,
        kind: str,
        read: Callable[[str | None, datetime | None], Iterator[Any]],
        write: Callable[[Sequence[Any], datetime], Changes[Any]],
    ) -> None:
        since = self._since(kind)
        came = self._read_pages(kind, read(self.writer.checkpoint.get("cursor"), since), write)
        if since is not None and not came:
            # The record that set the mark should have come back: a PSA that shows nothing may not
            # understand the question (a self-hosted one was seen to do so). Read it all.
            self.writer.checkpoint.setdefault("whole", []).append(kind)
            self._read_pages(kind, read(None, None), write)

    def _since(self, kind: str) -> datetime | None:
        """From which moment of the PSA's clock on changes are asked for; None = for everything."""
        mark = self.integration.watermarks.get(kind)
        if mark is None or self._is_whole(kind):
            return None
        return datetime.fromisoformat(mark) - OVERLAP

    def _is_whole(self, kind: str) -> bool:
        """Whether this run reads all records of a kind, so that what is missing shows."""
        return self.run_row.reading == SyncRun.Reading.FULL or kind in self.writer.checkpoint.get(
            "whole", []
        )

    def _read_pages(
        self,
        kind: str,
        pages: Iterator[Any],
        write: Callable[[Sequence[Any], datetime], Changes[Any]],
    ) -> int:
        """Read a list to its end, a page ahead of what is being written; how many records came."""
        writer = self.writer
        passed: int = writer.checkpoint.get("passed", 0)
        # a list that goes on in its middle does not tell its length again
        known = self.run_row.progress_total if self.run_row.phase == kind else None
        before: set[str] = set()  # what was counted when the list was read the first time
        for page in prefetch(pages):
            before = before or (writer.seen(kind) if page.again else before)
            rejected = [record for record in page.rejected if record.external_id not in before]
            passed += len(rejected)
            passed += sum(record.external_id not in before for record in page.records)
            is_last = page.cursor is None and (passed > 0 or self._since(kind) is None)
            with writer.page(kind, done=passed, total=page.total or known, is_last=is_last):
                changes = write(page.records, timezone.now())
                changes.forget_unchanged(before)
                writer.add(kind, changes, rejected)
                named = [record.external_id for record in page.records]
                named += [record.external_id for record in page.rejected if record.external_id]
                unnamed = any(not record.external_id for record in page.rejected)
                writer.saw(kind, named, unnamed=unnamed)
                writer.note_newest(kind, page.records)
                writer.checkpoint |= {"cursor": page.cursor, "passed": passed}
                if is_last:
                    self._end_list(kind)
        return passed

    def _end_list(self, kind: str) -> None:
        self.writer.checkpoint.setdefault("read", []).append(kind)
        self._keep_right(kind)
        if self._is_whole(kind):
            self.writer.close_unseen(kind)

    def _note_moves(self, changes: Changes[PsaContactRecord]) -> None:
        """Remember from which company to which contacts moved, and whose contacts differ."""
        moves = self.writer.checkpoint.setdefault("moves", {})
        touched: set[str] = set()
        for change in changes.written:
            touched.add(change.row.company_external_id)
            before = (change.before or {}).get("company_external_id")
            if before:
                touched.add(before)
                if change.row.company_external_id and len(moves) < MOST_MOVES:
                    moves[before] = change.row.company_external_id
        if not self._checks_all:
            self.writer.saw("touched", sorted(touched - {""}))

    def settle_absences(self) -> None:
        """After both lists: what they no longer show is gone, where that can be told."""
        read = self.writer.checkpoint.get("read", [])
        if "companies" in read and self.writer.proves_absence("companies"):
            self.absences.settle_companies(whole=self._is_whole("companies"))
        if (
            "contacts" in read
            and self._is_whole("contacts")
            and self.writer.proves_absence("contacts")
        ):
            self.absences.settle_contacts()

    # Rules

    @property
    def _checks_all(self) -> bool:
        """Whether the rules are checked of all companies: when everything is read anew, or when a
        run before did not come to check what it had stored. Decided once for a run.
        """
        run, decided = self.run_row, self.writer.checkpoint.get("checks_all")
        if run.scope != SyncRun.Scope.ALL or run.reading == SyncRun.Reading.FULL:
            return run.scope == SyncRun.Scope.ALL
        if decided is None:
            decided = self.writer.checkpoint["checks_all"] = self._follows_bad_ends()
        return bool(decided)

    def _follows_bad_ends(self) -> bool:
        """Whether a run ended badly since the last one over everything that ended well began."""
        runs = SyncRun.objects.of(self.integration)
        good = runs.filter(
            scope=SyncRun.Scope.ALL, state__in=(SyncRun.State.SUCCEEDED, SyncRun.State.PARTIAL)
        )
        bad = runs.filter(state__in=(SyncRun.State.FAILED, SyncRun.State.CANCELLED))
        since = good.order_by("-started_at").values_list("started_at", flat=True).first()
        return (bad.filter(finished_at__gt=since) if since else bad).exists()

    def check_rules(self) -> None:
        """Recount, check the import rules, and bring linked companies up to date."""
        if self.run_row.scope == SyncRun.Scope.ALL:
            self._forget_unlinked()
        for external_ids, is_last in with_last(batched(self._companies_to_check(), CHUNK)):
            with self.writer.page("rules", is_last=is_last):
                checked = mirror.apply_rules(self.integration, external_ids)
                links = list(self._links().filter(AnyOf("external_id", external_ids)))
                broken = linked_companies.apply_companies(
                    self.integration, links, checked, timezone.now()
                )
                self._tell_broken_rules(links, broken)

    def _companies_to_check(self) -> Iterable[str]:
        if not self._checks_all:
            touched = self.writer.seen("touched") | set(self.writer.checkpoint.get("moves", {}))
            if self.run_row.scope == SyncRun.Scope.ALL:
                touched |= self.writer.seen("companies")
            return sorted({*self.run_row.companies, *touched})
        return self._all_companies()

    def _all_companies(self) -> Iterator[str]:
        """Ids of all companies, some at a time: an open cursor would lock SQLite's writers out."""
        rows = PsaCompanyRecord.objects.of(self.integration).order_by("id")
        after = None
        while True:
            some = rows.filter(id__gt=after) if after else rows
            page = list(some.values_list("id", "external_id")[:CHUNK])
            if not page:
                return
            yield from (external_id for _, external_id in page)
            after = page[-1][0]

    def _tell_broken_rules(
        self, links: Sequence[CompanyLink], broken: Sequence[PsaCompanyRecord]
    ) -> None:
        """Linked companies that break a rule are an issue each, until they keep it again."""
        merged = [record.merged_into for record in broken if record.merged_into]
        targets = PsaCompanyRecord.objects.of(self.integration).filter(external_id__in=merged)
        names = dict(targets.values_list("external_id", "name")) if merged else {}
        for record in broken:
            into = names.get(record.merged_into, record.merged_into)
            for trouble in linked_companies.troubles_of(record, self.info, into):
                self.writer.raise_trouble(trouble)
        still = {(record.external_id, code) for record in broken for code in record.rule_codes}
        ours = {link.external_id for link in links}
        self._close_rules({cause for cause in self._rule_causes() if cause[0] in ours} - still)

    def _forget_unlinked(self) -> None:
        """What is not linked any more may break what rules it likes."""
        causes = self._rule_causes()
        if causes:
            linked = set(self._links().values_list("external_id", flat=True))
            with self.writer.page("rules"):
                self._close_rules({cause for cause in causes if cause[0] not in linked})

    def _rule_causes(self) -> set[tuple[str, str]]:
        """Company and code of the open issues about broken rules."""
        return {
            (external_id, code)
            for kind, external_id, code in self.writer.open_causes
            if kind == "company" and code in RULE_CODES
        }

    def _close_rules(self, cured: set[tuple[str, str]]) -> None:
        for code in {code for _, code in cured}:
            ids = {external_id for external_id, cured_code in cured if cured_code == code}
            close_issues(self.integration, kind="company", codes={code}, external_ids=ids)

    # Some companies only

    def reread_companies(self) -> None:
        if self.run_row.trigger == SyncRun.Trigger.IMPORT:
            return  # chosen from the import list a moment ago
        wanted = list(self.run_row.companies)
        start = self.writer.checkpoint.get("passed", 0)
        for passed, external_id in enumerate(wanted[start:], start=start + 1):
            company = self.adapter.company(external_id)
            is_last = passed == len(wanted)
            with self.writer.page("companies", done=passed, total=len(wanted), is_last=is_last):
                self._store_reread(external_id, company, timezone.now())
                self.writer.checkpoint["passed"] = passed

    def _store_reread(
        self, external_id: str, company: PsaCompany | RejectedRecord | None, now: datetime
    ) -> None:
        if company is None:
            rows = PsaCompanyRecord.objects.of(self.integration).present()
            rows = rows.filter(external_id=external_id)
            self.writer.add_gone("companies", rows)
            rows.update(gone_at=now)
            return
        good = [company] if isinstance(company, PsaCompany) else []
        bad = [company] if isinstance(company, RejectedRecord) else []
        self.writer.add("companies", mirror.store_companies(self.integration, good, now), bad)

    def reread_contacts(self) -> None:
        passed = self.writer.checkpoint.get("passed", 0)
        for external_ids in batched(self.run_row.companies[passed:], CONTACT_BATCH):
            rows = PsaContactRecord.objects.of(self.integration).present()
            rows = rows.filter(company_external_id__in=external_ids)
            known = set(rows.values_list("external_id", flat=True))  # before we ask: not what comes
            pages = list(self.adapter.contacts(company_ids=external_ids))
            records = [record for page in pages for record in page.records]
            rejected = [record for page in pages for record in page.rejected]
            missing = known - {record.external_id for record in records}
            missing -= {record.external_id for record in rejected}
            if not all(record.external_id for record in rejected) or (
                not self.absences.are_contacts_gone(len(missing), len(known))
            ):
                missing = set()
            with self.writer.page("contacts", done=len(records), total=len(records)):
                changes = mirror.store_contacts(self.integration, records, timezone.now())
                self.writer.add("contacts", changes, rejected)
                self._note_moves(changes)
                self.writer.saw_for_full_run("contacts", [r.external_id for r in records])
                if missing:
                    self.absences.mark_contacts(rows.filter(external_id__in=missing))
                passed += len(external_ids)
                self.writer.checkpoint["passed"] = passed

    # Agreements of what is linked

    def _links(self) -> QuerySet[CompanyLink]:
        links = CompanyLink.objects.of(self.integration).in_force()
        return links.filter(company__status=Company.Status.ACTIVE).order_by("id")

    def read_agreements(self) -> None:
        links = self._links()
        is_part = self.run_row.scope == SyncRun.Scope.COMPANIES
        if is_part:
            links = links.filter(external_id__in=self.run_row.companies)
        self._read_batches(links)
        self.absences.settle_agreements(
            self.run_row.companies if is_part else None, self._read_more
        )
        with self.writer.page("agreements", is_last=True):
            stored_mrr.refresh_stale(self.integration.tenant)
            if not is_part:
                if not self.writer.checkpoint.get("lines_refused"):
                    self._keep_right("agreements")
                self.writer.close_unseen("agreements")
                self.writer.close_unseen("lines")

    def _read_batches(self, links: QuerySet[CompanyLink]) -> None:
        passed = self.writer.checkpoint.get("passed", 0)
        after = self.writer.checkpoint.get("after_link")
        rest = list(
            (links.filter(id__gt=after) if after else links).values_list("id", "external_id")
        )
        total = passed + len(rest)
        batches = batched(rest, self.info.company_batch)
        for batch in prefetch(map(self._read_batch, batches)):
            passed += len(batch.external_ids)
            with self.writer.page("agreements", done=passed, total=total):
                self._store_batch(batch)
                self.writer.checkpoint |= {
                    "passed": passed, "after_link": batch.last_link, "parks": 0,
                }  # fmt: skip

    def _read_more(self, external_ids: Collection[str]) -> None:
        """Read the agreements of companies to which some have moved."""
        links = self._links().filter(AnyOf("external_id", external_ids))
        for some in batched(links.values_list("id", "external_id"), self.info.company_batch):
            batch = self._read_batch(some)
            with self.writer.page("agreements"):
                self._store_batch(batch)

    def _store_batch(self, batch: linked_agreements.AgreementBatch) -> None:
        """Inside a page: store what was read, for those of its companies that are still linked."""
        has_book = Exists(CompanyBook.objects.filter(company=OuterRef("company")))
        links = self._links().filter(AnyOf("external_id", batch.external_ids))
        found: list[Any] = list(links.annotate(has_book=has_book))
        touched = linked_agreements.store_agreements(self.writer, found, batch)
        if batch.refused:
            self._lose_lines(batch.refused)
        self._work_out(touched, has_new=not all(link.has_book for link in found))

    def _lose_lines(self, error: PsaRefused) -> None:
        """Inside a page: lines are refused; say which right is missing, once a run."""
        if not self.writer.checkpoint.get("lines_refused"):
            self.writer.checkpoint["lines_refused"] = True
            self._tell_right(error, "agreements")

    def _work_out(self, companies: set[UUID], *, has_new: bool) -> None:
        """Work out their MRR: at once where many have come together, or one has none yet; else they
        are marked, and worked out together at the end.
        """
        tenant = self.integration.tenant
        self._stale |= companies
        if has_new or len(self._stale) >= MANY_BOOKS:
            stored_mrr.refresh(tenant, self._stale)
            self._stale = set()
        elif companies:
            stored_mrr.mark_stale(tenant, companies)

    def _read_batch(self, links: list[tuple[UUID, str]]) -> linked_agreements.AgreementBatch:
        external_ids = [external_id for _, external_id in links]
        batch = linked_agreements.AgreementBatch(external_ids, str(links[-1][0]), timezone.now())
        for page in self.adapter.agreements(company_ids=external_ids):
            batch.agreements |= {record.external_id: record for record in page.records}
            batch.rejected += page.rejected
            batch.refused = batch.refused or page.refused
            batch.unsure |= page.unsure
        return batch
