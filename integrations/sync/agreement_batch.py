"""One reading of some companies' agreements, and what it leaves as it was stored before."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db.models import Exists, OuterRef, QuerySet

from agreements.models import Agreement, AgreementLine
from audit_site.db.bulk import AnyOf
from integrations.importing.record_store import fingerprint
from integrations.psa.contract import PsaAgreement, PsaPage, RejectedRecord
from integrations.psa.errors import PsaRefused

Values = dict[str, Any]
#: The agreements of so many companies are stored together at the most.
MOST_COMPANIES: Final = 1000


@dataclass(slots=True)
class AgreementBatch:
    """The agreements of some companies as one reading showed them, and when it began.

    `last_link`: id of the last of the links to these companies. `part`: which part of the run's
    reading it is (`psa.kept`). `is_first`: of some of them nothing has been read before.
    `is_todays`: it left out what is over (`todays_first`). `left`: ids of agreements that are there
    and were not wanted.
    """

    external_ids: list[str]
    last_link: str
    began: datetime
    part: int = 0
    is_first: bool = False
    is_todays: bool = False
    left: frozenset[str] = frozenset()
    agreements: dict[str, PsaAgreement] = field(default_factory=dict)
    rejected: list[RejectedRecord] = field(default_factory=list)
    refused: PsaRefused | None = None
    unsure: frozenset[str] = frozenset()
    short: tuple[int, int] | None = None

    def joined(self, other: AgreementBatch) -> AgreementBatch | None:
        """Both in one, as if they had been asked for together; None where one reading has more to
        say than its agreements, or where it is the first of its companies, which shows at once.
        """
        if not (self._is_plain and other._is_plain):
            return None
        if len(self.external_ids) + len(other.external_ids) > MOST_COMPANIES:
            return None
        both = AgreementBatch(
            [*self.external_ids, *other.external_ids],
            other.last_link,
            min(self.began, other.began),
            other.part,
        )
        for batch in (self, other):
            both.add(PsaPage(tuple(batch.agreements.values()), left=batch.left))
        return both

    @property
    def _is_plain(self) -> bool:
        is_known = not self.is_first and not self.rejected
        return is_known and not (self.refused or self.unsure or self.short)

    def add(self, page: PsaPage[PsaAgreement]) -> None:
        """Add what a page of the answer showed."""
        for record in page.records:
            if not (record.is_claim and record.external_id in self.agreements):
                self.agreements[record.external_id] = record
        self.rejected += page.rejected
        self.refused = self.refused or page.refused
        self.unsure |= page.unsure
        self.short = self.short or page.short
        self.left |= page.left

    def leave_rejected(self) -> None:
        """Leave what can't be used to the round that reads the rest: it would be said twice."""
        self.rejected = self.rejected_lines

    @property
    def rejected_agreements(self) -> list[RejectedRecord]:
        return [record for record in self.rejected if not record.is_line]

    @property
    def rejected_lines(self) -> list[RejectedRecord]:
        return [record for record in self.rejected if record.is_line]

    @property
    def rejected_ids(self) -> set[str]:
        return {record.external_id for record in self.rejected_agreements if record.external_id}

    @property
    def named_ids(self) -> set[str]:
        """Agreements that it spoke of, readable or not, wanted or not."""
        return {*self.agreements, *self.rejected_ids, *self.left}

    @property
    def withheld_ids(self) -> set[str]:
        """Agreements whose lines the PSA refused, in part or whole."""
        return {record.external_id for record in self.agreements.values() if record.withheld}

    @property
    def proves_absence(self) -> bool:
        """Whether what is not among the agreements is gone: not when one had no id."""
        return all(record.external_id for record in self.rejected_agreements)


# Each of these returns values like the given ones: those of agreements, by field name


def keep_renewals(
    values: list[Values], known: QuerySet[Agreement], batch: AgreementBatch
) -> list[Values]:
    """Keep what an agreement renews where the one that may have said so could not be read now, and
    that one's dates decide if a renewal that could not be read is why.

    Otherwise both would count, and the MRR be twice what it is; or neither, and its past be lost.
    """
    if not batch.rejected_agreements:
        return values
    stored = {(row.integration_id, row.external_id): row for row in known}
    keys = [(value["integration_id"], value["external_id"]) for value in values]
    return [
        _with_renewals(value, stored[key], batch) if key in stored else value
        for value, key in zip(values, keys, strict=True)
    ]


def _with_renewals(value: Values, stored: Agreement, batch: AgreementBatch) -> Values:
    """What it renewed so far, of which nothing can be said now, stays."""
    shown = value["renews_external_ids"]
    kept: Values = {}
    unsure = [
        id_
        for id_ in stored.renews_external_ids
        if id_ not in shown and (id_ in batch.rejected_ids or not batch.proves_absence)
    ]
    if unsure:
        kept["renews_external_ids"] = [*shown, *unsure]
    if stored.active is None and value["active"] is False and stored.status == value["status"]:
        kept["active"] = None
    return {**value, **kept}


def keep_sure(
    values: list[Values], known: QuerySet[Agreement], batch: AgreementBatch
) -> list[Values]:
    """Keep currencies and cycles that were read from a table which can't be read now."""
    if not batch.unsure:
        return values
    rows = {row.external_id: row for row in known}
    return [_with_sure(value, rows.get(value["external_id"]), batch.unsure) for value in values]


def _with_sure(value: Values, row: Agreement | None, unsure: frozenset[str]) -> Values:
    if row is None:
        return value
    kept: Values = {}
    if "currency" in unsure and row.currency:
        kept["currency"] = row.currency
    if "cycle" in unsure and row.cycle and row.cycle_label == value["cycle_label"]:
        kept["cycle"] = row.cycle
    return {**value, **kept}


def keep_whole(
    values: list[Values], known: QuerySet[Agreement], batch: AgreementBatch
) -> tuple[list[Values], set[str]]:
    """Keep the lines that were read before the PSA refused them; returns also which agreements do.

    Of an agreement that has changed since, lines must have been read: else there may be some now.
    """
    if batch.refused is None:
        return values, set()
    withheld = {v["external_id"]: v for v in values if v["external_id"] in batch.withheld_ids}
    has_lines = Exists(AgreementLine.objects.filter(agreement=OuterRef("pk"), gone_at=None))
    rows = known.filter(AnyOf("external_id", withheld), incomplete=False, gone_at=None)
    rows = rows.annotate(has_lines=has_lines)
    kept = {
        id_
        for id_, mark, lines in rows.values_list("external_id", "fingerprint", "has_lines")
        if lines or mark == fingerprint(_as_whole(withheld[id_]))
    }
    return [_as_whole(v) if v["external_id"] in kept else v for v in values], kept


def _as_whole(value: Values) -> Values:
    return {**value, "incomplete": False}
