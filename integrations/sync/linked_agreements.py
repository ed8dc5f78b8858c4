"""What a sync keeps current for linked companies: agreements and their lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from agreements.models import Agreement, AgreementLine
from audit_site.db.bulk import AnyOf
from integrations.importing.record_store import Changes, fingerprint, store, values_of
from integrations.kinds import AGREEMENTS, LINES
from integrations.models import CompanyLink, Integration
from integrations.psa.contract import PsaAgreement
from integrations.sync.agreement_batch import (
    AgreementBatch,
    Values,
    keep_renewals,
    keep_sure,
    keep_whole,
)
from integrations.sync.claims import holders_of, report_claims
from integrations.sync.earlier_readings import (
    ids_known_out,
    left_to_its_dates,
    note_earlier_readings,
    note_moved_ends,
)
from integrations.sync.journal import Journal
from integrations.sync.seen_ids import SeenIds
from integrations.sync.todays_first import TODAYS


def lines_fingerprint(lines: Sequence[Values]) -> str:
    """Hash all lines of an agreement: the same text means that none of them has changed."""
    return fingerprint({"lines": lines})


@dataclass(frozen=True)
class Reading:
    """What of a batch belongs to linked companies.

    `agreements`: by external id. `values`: of all of them, by field name. `kept`: ids of those
    whose stored lines stay, because the PSA refused to show them now.
    """

    batch: AgreementBatch
    agreements: dict[str, PsaAgreement]
    values: list[Values]
    kept: set[str]

    @cached_property
    def lines(self) -> dict[str, list[Values]]:
        """Values of the lines, by external id of their agreement; not of the `kept` ones."""
        return {
            id_: [
                {**values_of(line, AgreementLine), "position": position}
                for position, line in enumerate(record.lines)
            ]
            for id_, record in self.agreements.items()
            if id_ not in self.kept
        }

    @cached_property
    def marks(self) -> dict[str, str]:
        """Fingerprint of each agreement's lines; "" = not all of them are known.

        A line that was set aside may belong to any of them.
        """
        unsure = bool(self.batch.rejected_lines)
        return {
            id_: "" if unsure or self.agreements[id_].incomplete else lines_fingerprint(lines)
            for id_, lines in self.lines.items()
        }


class AgreementStore:
    """Stores one reading of some companies' agreements, inside a page.

    What was not shown is only noted: whether it is gone is known when all was read
    (`absent_agreements`).
    """

    def __init__(
        self, integration: Integration, journal: Journal, seen: SeenIds, batch: AgreementBatch
    ) -> None:
        self.integration = integration
        self.journal = journal
        self.seen = seen
        self.batch = batch
        self.now = timezone.now()
        self.owner = {"tenant_id": integration.tenant_id}
        #: By audITee whose link took the place of another, since which day its agreements count.
        self.counts_from: dict[UUID, date | None] = {}
        self.today = integration.tenant.today(self.now)

    def store(self, links: Sequence[CompanyLink], bookless: set[UUID]) -> set[UUID]:
        """Store it, but for companies of which a newer reading was stored meanwhile.

        `bookless`: companies whose MRR was never worked out. Returns the companies whose MRR has to
        be worked out.
        """
        began = self.batch.began
        current = [link for link in links if _is_news(link, began)]
        company_of = {link.external_id: link.company_id for link in current}
        self.counts_from = {link.company_id: link.counts_from for link in current}
        incoming = [
            record for record in self.batch.agreements.values() if record.company_id in company_of
        ]
        existing = self._existing(incoming, list(company_of.values()))
        reading = self._reading(incoming, existing, company_of)
        agreements = self._store_agreements(reading, existing)
        touched = _companies_of(agreements) | self._store_lines(reading, agreements)
        CompanyLink.objects.filter(AnyOf("id", [link.pk for link in current]), **self.owner).update(
            read_at=began, last_synced_at=self.now, ended_unread=self.batch.is_todays
        )
        if self.batch.is_todays:
            self.seen.note(TODAYS, [record.external_id for record in incoming])
        return touched | (bookless & set(company_of.values()))

    # Agreements

    def _existing(
        self, incoming: Sequence[PsaAgreement], companies: Sequence[UUID]
    ) -> QuerySet[Agreement]:
        """Stored agreements of these companies, and those of the same ids that have moved here."""
        named = AnyOf("external_id", [record.external_id for record in incoming])
        existing = Agreement.objects.from_psas().filter(
            AnyOf("company_id", companies) | (Q(integration=self.integration) & Q(named)),
            **self.owner,
        )
        if self.batch.rejected_ids:
            return existing.exclude(
                integration=self.integration, external_id__in=self.batch.rejected_ids
            )
        return existing

    def _reading(
        self,
        incoming: Sequence[PsaAgreement],
        existing: QuerySet[Agreement],
        company_of: Mapping[str, UUID],
    ) -> Reading:
        own = existing.filter(integration=self.integration)
        holders = holders_of(self.batch, own, self.integration)
        report_claims(self.journal, incoming, holders)
        held = {id_: holder.company_id for id_, holder in holders.items()}
        known_out = ids_known_out(own, incoming, self.integration)
        values = [
            self._agreement_values(
                left_to_its_dates(record, self.today, is_known_out=record.external_id in known_out),
                held.get(record.external_id, company_of[record.company_id]),
            )
            for record in incoming
        ]
        values = keep_renewals(values, existing, self.batch)
        values = keep_sure(values, own, self.batch)
        values, kept = keep_whole(values, own, self.batch)
        agreements = {record.external_id: record for record in incoming}
        return Reading(self.batch, agreements, values, kept)

    def _agreement_values(self, record: PsaAgreement, company_id: UUID) -> Values:
        return {
            **values_of(record, Agreement),
            "integration_id": self.integration.pk,
            "source": self.integration.psa,
            "company_id": company_id,
        }

    def _store_agreements(
        self, reading: Reading, existing: QuerySet[Agreement]
    ) -> Changes[Agreement]:
        changes = store(
            Agreement,
            existing=existing,
            incoming=reading.values,
            key=("integration_id", "external_id"),
            now=self.now,
            owner=self.owner,
            extra={"synced_at": self.now},
            needed=("company_id", "lines_fingerprint"),
            fresh={
                (self.integration.pk, values["external_id"]): {
                    "lines_fingerprint": reading.marks.get(values["external_id"], ""),
                    "counts_from": self.counts_from.get(values["company_id"]),
                }
                for values in reading.values
            },
        )
        note_earlier_readings(changes, self.integration, self.today)
        self.journal.add(AGREEMENTS.name, changes, self.batch.rejected_agreements)
        if self.batch.proves_absence and not self.batch.is_todays:
            left = self.batch.left
            absent = [
                row.pk
                for row in changes.absent
                if row.integration_id != self.integration.pk or row.external_id not in left
            ]
            self.seen.note_absent(AGREEMENTS.name, absent, self.batch.began)
        return changes

    # Lines

    def _store_lines(self, reading: Reading, agreements: Changes[Agreement]) -> set[UUID]:
        """Store the lines; return the companies whose lines differed.

        Where the PSA refused some, those that it did not show are not taken for gone.
        """
        rows = self._to_compare(reading, agreements)
        changes = self._changed_lines(reading, rows)
        compared = {row.pk: row.company_id for row in rows.values()}
        skipped = reading.lines.keys() - rows.keys()
        changes.unchanged += sum(len(reading.lines[id_]) for id_ in skipped)
        self.journal.add(LINES.name, changes, self.batch.rejected_lines)
        whole = {row.pk for id_, row in rows.items() if not reading.agreements[id_].incomplete}
        absent = [line.pk for line in changes.absent if line.agreement_id in whole]
        self.seen.note_absent(LINES.name, absent, self.batch.began)
        _mark_lines(rows, reading.marks, {line.agreement_id for line in changes.absent})
        return {compared[change.row.agreement_id] for change in changes.written}

    def _to_compare(self, reading: Reading, agreements: Changes[Agreement]) -> dict[str, Agreement]:
        """Agreements whose lines have to be read, by external id: not those marked as the same.

        When lines had been set aside, all are: the issues of those that are readable now close.
        """
        rows = {id_: agreements.rows[self.integration.pk, id_] for id_ in reading.lines}
        if self.journal.has_rejections(LINES.name):
            return rows
        created = {change.row.pk for change in agreements.written if change.kind == "created"}
        return {
            id_: row
            for id_, row in rows.items()
            if row.pk in created
            or not reading.marks[id_]
            or row.lines_fingerprint != reading.marks[id_]
        }

    def _changed_lines(
        self, reading: Reading, rows: Mapping[str, Agreement]
    ) -> Changes[AgreementLine]:
        pks = [row.pk for row in rows.values()]
        changes = store(
            AgreementLine,
            existing=AgreementLine.objects.filter(AnyOf("agreement_id", pks), **self.owner),
            incoming=[
                {"agreement_id": row.pk, **values}
                for id_, row in rows.items()
                for values in reading.lines[id_]
            ],
            key=("agreement_id", "external_id"),
            now=self.now,
            owner=self.owner,
        )
        note_moved_ends(changes)
        return changes


def _is_news(link: CompanyLink, began: datetime) -> bool:
    """Whether what a reading showed is newer than what is stored, or was never read: of a link
    whose ended agreements are unread, these, however old the answers are that it rests on.
    """
    return link.read_at is None or link.read_at <= began or link.ended_unread


def _companies_of(changes: Changes[Agreement]) -> set[UUID]:
    """Companies of changed agreements, also those that an agreement has left."""
    left = {
        UUID(change.before["company_id"])
        for change in changes.written
        if change.before and "company_id" in change.before
    }
    return {change.row.company_id for change in changes.written} | left


def _mark_lines(
    rows: Mapping[str, Agreement], marks: Mapping[str, str], more_stored: set[UUID]
) -> None:
    """Note of agreements that their lines are as shown, unless more of them are stored."""
    differing = []
    for id_, row in rows.items():
        mark = "" if row.pk in more_stored else marks[id_]
        if row.lines_fingerprint != mark:
            row.lines_fingerprint = mark
            differing.append(row)
    Agreement.objects.bulk_update(differing, ["lines_fingerprint"])
