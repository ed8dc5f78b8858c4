"""Contacts that a reading did not show: gone, moved to another company, or withheld from us."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import QuerySet
from django.utils import timezone

from audit_site.db.bulk import AnyOf
from integrations.importing.record_store import Change, Changes
from integrations.kinds import CONTACTS
from integrations.models import PsaContactRecord
from integrations.psa.contract import PsaAdapter
from integrations.sync.absence_guard import AbsenceGuard
from integrations.sync.moves import note_moves
from integrations.sync.run_writer import RunWriter
from integrations.sync.seen_ids import TOUCHED
from integrations.sync.withheld import MissingRecords


@dataclass(frozen=True, slots=True)
class Absent:
    """What became of contacts that were not shown: ids of those that are gone, and by the id of
    those that are there, which PSA company has them.
    """

    gone: Sequence[str] = ()
    owners: Mapping[str, str] = field(default_factory=dict)


class AbsentContacts:
    """Asks what became of contacts that a reading did not show."""

    def __init__(self, writer: RunWriter, adapter: PsaAdapter) -> None:
        self.writer = writer
        self.guard = AbsenceGuard(writer, adapter)
        self.missing = MissingRecords(writer, adapter, CONTACTS.name)

    def ask(
        self,
        rows: QuerySet[PsaContactRecord],
        absent: Collection[str],
        *,
        known: int,
        few: bool = False,
    ) -> Absent:
        """Outside of pages. `rows`: the `known` contacts of whom these were `absent`. `few`: only
        some companies were read.
        """
        ids = rows.filter(AnyOf("external_id", absent)).values_list("pk", flat=True)
        missing = self.missing.without_withheld(rows, list(ids), few=few)
        if not missing and few:
            return Absent()
        if not self.guard.is_believable(CONTACTS.name, len(missing), known, few=few):
            return Absent()
        is_said = len(missing) <= self.writer.run.accept_gone.get(CONTACTS.name, 0)
        lost = missing if is_said else self.missing.without_found(rows, missing)
        gone = rows.filter(AnyOf("id", lost)).values_list("external_id", flat=True)
        return Absent(list(gone), {} if is_said else self.missing.owners_of(absent))


def store_absent(writer: RunWriter, rows: QuerySet[PsaContactRecord], absent: Absent) -> None:
    """Inside a page: store what became of contacts that were not shown."""
    if absent.gone:
        _mark_gone(writer, rows.filter(AnyOf("external_id", absent.gone)))
    if absent.owners:
        _move(writer, rows.filter(AnyOf("external_id", absent.owners)), absent.owners)


def _mark_gone(writer: RunWriter, rows: QuerySet[PsaContactRecord]) -> None:
    """These contacts are gone, and their companies have others now."""
    writer.journal.add_gone(CONTACTS.name, rows)
    companies = set(rows.values_list("company_external_id", flat=True)) - {""}
    writer.seen.note(TOUCHED, sorted(companies))
    rows.update(gone_at=timezone.now())


def _move(writer: RunWriter, rows: QuerySet[PsaContactRecord], owners: Mapping[str, str]) -> None:
    """These contacts are there, with the companies that have them now. The next reading of them
    writes them whole.
    """
    changes: Changes[PsaContactRecord] = Changes()
    for row in rows:
        before, after = row.company_external_id, owners[row.external_id]
        if after not in {"", before}:
            row.company_external_id, row.fingerprint = after, ""
            was, now = ({"company_external_id": id_} for id_ in (before, after))
            changes.written.append(Change(row, "updated", was, now))
    PsaContactRecord.objects.bulk_update(
        [change.row for change in changes.written], ["company_external_id", "fingerprint"]
    )
    writer.journal.add(CONTACTS.name, changes)
    writer.seen.note(TOUCHED, note_moves(writer.checkpoint, changes))
