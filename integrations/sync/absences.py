"""Companies and contacts that a sync no longer sees: deleted, merged, or hidden from us.

A record is gone (softly) only when a reading that reached its end did not show it. Before that is
believed, a company is asked for by its id, and `absence_guard` looks at how many are missing.
Nothing is gone by mistake.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from django.db.models import QuerySet
from django.utils import timezone

from audit_site.db.batches import batched, values_in_order
from integrations.importing import mirror
from integrations.kinds import COMPANIES, CONTACTS
from integrations.models import CompanyLink, PsaCompanyRecord, PsaContactRecord
from integrations.psa.contract import PsaAdapter, PsaCompany
from integrations.psa.errors import PsaRefused
from integrations.sync.absence_guard import AbsenceGuard
from integrations.sync.absent_contacts import Absent, AbsentContacts, store_absent
from integrations.sync.list_phases import is_read_whole
from integrations.sync.moves import note_late_merges
from integrations.sync.phase import Phase
from integrations.sync.run_writer import RunWriter
from integrations.sync.seen_ids import TOUCHED
from integrations.sync.withheld import MOST_QUESTIONS, close_withheld, report_withheld

#: Of more missing companies than are asked for by their ids, so many linked ones are.
MOST_LINKED: Final = 200
CHUNK: Final = 1000
IDS_AT_ONCE: Final = 10_000


class AbsencesPhase(Phase):
    """After both lists: what they no longer show is gone, where that can be known."""

    name = "absences"
    title = "Settling what is gone"
    keeps_answers = True

    def __init__(self, writer: RunWriter, adapter: PsaAdapter) -> None:
        super().__init__(writer, adapter)
        self.guard = AbsenceGuard(writer, adapter)

    def run(self) -> None:
        if self._is_proven(COMPANIES.name):
            self._settle_companies()
        if self._is_proven(CONTACTS.name) and is_read_whole(self.writer, CONTACTS.name):
            self._settle_contacts()

    def _is_proven(self, kind: str) -> bool:
        """Whether the list was read to its end, and each of its records had an id."""
        return kind in self.checkpoint.lists_read and self.checkpoint.proves_absence(kind)

    # Companies

    def _settle_companies(self) -> None:
        note_late_merges(self.writer)
        missing = self._missing_companies()
        if missing is None:
            return
        gone, still_there = self._ask_again(missing)
        if still_there:
            self._store_again(still_there)
        for ids in batched(gone, CHUNK):
            with self.writer.page(self.name):
                self._mark_companies(ids)

    def _missing_companies(self) -> list[str] | None:
        """Those that the list no longer shows; of a list of changes, those that contacts left.
        None when it is not to be believed.
        """
        rows = PsaCompanyRecord.objects.of(self.integration).present()
        if is_read_whole(self.writer, COMPANIES.name):
            missing, known = self._unseen(COMPANIES.name, rows)
            is_believable = self.guard.is_believable(COMPANIES.name, len(missing), known)
            return missing if is_believable else None
        moved = rows.filter(external_id__in=list(self.checkpoint.moves)[:MOST_QUESTIONS])
        seen = self.seen.ids(COMPANIES.name)
        return [i for i in moved.values_list("external_id", flat=True) if i not in seen]

    def _unseen(self, kind: str, rows: QuerySet[Any]) -> tuple[list[str], int]:
        """Ids of these rows that no page of this run showed, and how many rows there are.

        They pass through, some at a time.
        """
        seen = self.seen.ids(kind)
        missing, known = [], 0
        for external_id in values_in_order(rows, "external_id", IDS_AT_ONCE):
            known += 1
            if external_id not in seen:
                missing.append(external_id)
        return missing, known

    def _ask_again(self, missing: Sequence[str]) -> tuple[list[str], list[PsaCompany]]:
        """Ask for missing companies by their ids: which are gone, and which are there all the same.

        A list can lose a row while it is paged, and a right can be narrowed; the record itself
        knows better. What is refused stays, and so does then what was not asked for.
        """
        kept: set[str] = set()
        still_there: list[PsaCompany] = []
        asked, refused, refusal = self._worth_asking(missing), set[str](), None
        for external_id in asked:
            try:
                company = self.adapter.company(external_id)
            except PsaRefused as error:
                if error.code != "permission_denied":
                    raise
                refused.add(external_id)
                refusal = refusal or error
                continue
            if company is not None:
                kept.add(external_id)
            if isinstance(company, PsaCompany):
                still_there.append(company)
            self.writer.keep_now_and_then(self.name)
        withheld = refused | (set(missing) - set(asked)) if refusal else set()
        self._say_withheld(refusal, withheld)
        return [id_ for id_ in missing if id_ not in kept | withheld], still_there

    def _say_withheld(self, refusal: PsaRefused | None, withheld: set[str]) -> None:
        if refusal is not None:
            report_withheld(self.writer, self.adapter, COMPANIES.name, refusal, sorted(withheld))
        elif is_read_whole(self.writer, COMPANIES.name):
            close_withheld(self.writer, COMPANIES.name)

    def _worth_asking(self, missing: Sequence[str]) -> Sequence[str]:
        """Of very many, those that matter: linked ones, and those that contacts have left."""
        if len(missing) <= MOST_QUESTIONS:
            return missing
        links = CompanyLink.objects.of(self.integration).in_force()
        linked = set(links.filter(external_id__in=missing).values_list("external_id", flat=True))
        matter: Collection[str] = linked | self.checkpoint.moves.keys()
        return [id_ for id_ in missing if id_ in matter][:MOST_LINKED]

    def _store_again(self, companies: Sequence[PsaCompany]) -> None:
        with self.writer.page(self.name):
            changes = mirror.store_companies(self.integration, companies, timezone.now())
            self.journal.add(COMPANIES.name, changes)
            self.seen.note(COMPANIES.name, [company.external_id for company in companies])

    def _mark_companies(self, external_ids: Sequence[str]) -> None:
        """Gone; and where its people have moved to another company, merged into that one."""
        moves, now = self.checkpoint.moves, timezone.now()
        rows = PsaCompanyRecord.objects.of(self.integration).present()
        rows = rows.filter(external_id__in=external_ids)
        self.journal.add_gone(COMPANIES.name, rows)
        merged = list(rows.filter(external_id__in=[id_ for id_ in external_ids if id_ in moves]))
        for row in merged:
            row.is_merged, row.merged_into, row.gone_at = True, moves[row.external_id], now
        rows.update(gone_at=now)
        PsaCompanyRecord.objects.bulk_update(merged, ["is_merged", "merged_into", "gone_at"])
        self.seen.note(TOUCHED, list(external_ids))

    # Contacts

    def _settle_contacts(self) -> None:
        rows = PsaContactRecord.objects.of(self.integration).present()
        unseen, known = self._unseen(CONTACTS.name, rows)
        absent = AbsentContacts(self.writer, self.adapter).ask(rows, unseen, known=known)
        for ids in batched(absent.gone, CHUNK):
            with self.writer.page(self.name):
                store_absent(self.writer, rows, Absent(ids))
        if absent.owners:
            with self.writer.page(self.name):
                store_absent(self.writer, rows, Absent(owners=absent.owners))
