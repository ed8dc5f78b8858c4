"""Reading some companies only: an import, a re-sync, or what is read again for an issue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Final

from django.db.models import QuerySet
from django.utils import timezone

from audit_site.db.batches import batched
from integrations.importing import mirror
from integrations.kinds import COMPANIES, CONTACTS, KindName
from integrations.models import PsaCompanyRecord, PsaContactRecord, SyncRun
from integrations.psa.contract import PsaCompany, PsaContact, PsaPage, RejectedRecord
from integrations.psa.errors import PsaRefused
from integrations.sync.absent_contacts import Absent, AbsentContacts, store_absent
from integrations.sync.agreements_phase import SomeAgreementsPhase
from integrations.sync.list_phases import without_forgotten
from integrations.sync.moves import note_late_merges, note_moves
from integrations.sync.phase import Phase, PhasedSync
from integrations.sync.rules_phase import SomeRulesPhase
from integrations.sync.seen_ids import TOUCHED
from integrations.sync.withheld import report_withheld

#: Companies whose contacts are read and written together.
CONTACT_BATCH: Final = 500


class RereadCompaniesPhase(Phase):
    """Each of the run's companies, by its id."""

    name: ClassVar[KindName] = COMPANIES.name
    title = "Reading companies"
    counted = COMPANIES

    def run(self) -> None:
        if self.sync_run.trigger == SyncRun.Trigger.IMPORT:
            return  # chosen from the import list a moment ago
        wanted = self.sync_run.companies
        start = self.checkpoint.passed
        withheld: list[str] = []
        for passed, external_id in enumerate(wanted[start:], start=start + 1):
            found = self._ask(external_id)
            if isinstance(found, PsaRefused):
                withheld.append(external_id)
                report_withheld(self.writer, self.adapter, self.name, found, withheld, few=True)
            is_last = passed == len(wanted)
            with self.writer.page(self.name, done=passed, total=len(wanted), is_last=is_last):
                if not isinstance(found, PsaRefused):
                    self._store(external_id, found, timezone.now())
                self.checkpoint.passed = passed

    def _ask(self, external_id: str) -> PsaCompany | RejectedRecord | PsaRefused | None:
        """The company, or how the PSA refuses to show it: then it stays as it is."""
        try:
            return self.adapter.company(external_id)
        except PsaRefused as error:
            if error.code != "permission_denied":
                raise
            return error

    def _store(
        self, external_id: str, company: PsaCompany | RejectedRecord | None, now: datetime
    ) -> None:
        if company is None:
            self._mark_gone(external_id, now)
            return
        good = [company] if isinstance(company, PsaCompany) else []
        bad = [company] if isinstance(company, RejectedRecord) else []
        self.journal.add(self.name, mirror.store_companies(self.integration, good, now), bad)

    def _mark_gone(self, external_id: str, now: datetime) -> None:
        rows = PsaCompanyRecord.objects.of(self.integration).present()
        rows = rows.filter(external_id=external_id)
        self.journal.add_gone(self.name, rows)
        rows.update(gone_at=now)


class RereadContactsPhase(Phase):
    """All contacts of the run's companies. How many there are shows only when all were read."""

    name = CONTACTS.name
    title = "Reading contacts"
    keeps_answers = True

    def run(self) -> None:
        rest = self.sync_run.companies[self.checkpoint.passed :]
        for external_ids in batched(rest, CONTACT_BATCH):
            self._reread(external_ids)
        note_late_merges(self.writer)

    def _reread(self, external_ids: Sequence[str]) -> None:
        rows = PsaContactRecord.objects.of(self.integration).present()
        rows = rows.filter(company_external_id__in=external_ids)
        known = set(rows.values_list("external_id", flat=True))  # before we ask: not what appears
        part = self.writer.answers.kept.next_part()
        pages = []
        for page in self.adapter.contacts(company_ids=external_ids):
            pages.append(page)
            self.writer.keep_now_and_then(self.name)
        records = [record for page in pages for record in page.records]
        rejected = [record for page in pages for record in page.rejected]
        absent = self._absent(rows, known, records, rejected)
        with self.writer.page(self.name, done=len(records), total=len(records)):
            for page in pages:
                self.report_short(self.name, page.short)
            self._store(records, rejected)
            store_absent(self.writer, rows, absent)
            self.checkpoint.passed += len(external_ids)
            self.writer.answers.forget(part)

    def _store(self, records: Sequence[PsaContact], rejected: Sequence[RejectedRecord]) -> None:
        known = without_forgotten(self.writer, PsaPage(tuple(records), tuple(rejected)))
        changes = mirror.store_contacts(self.integration, known.records, timezone.now())
        self.journal.add(self.name, changes, known.rejected)
        self.seen.note(TOUCHED, note_moves(self.checkpoint, changes))
        self.seen.note_for_full_run(self.name, [record.external_id for record in known.records])

    def _absent(
        self,
        rows: QuerySet[PsaContactRecord],
        known: set[str],
        records: Sequence[PsaContact],
        rejected: Sequence[RejectedRecord],
    ) -> Absent:
        """What became of known contacts that did not come; nothing where that proves nothing."""
        missing = known - {record.external_id for record in records}
        missing -= {record.external_id for record in rejected}
        if not missing or not all(record.external_id for record in rejected):
            return Absent()
        asked = AbsentContacts(self.writer, self.adapter)
        return asked.ask(rows, missing, known=len(known), few=True)


class CompanySync(PhasedSync):
    """A run over some companies."""

    phases = (
        RereadCompaniesPhase,
        RereadContactsPhase,
        SomeRulesPhase,
        SomeAgreementsPhase,
    )
