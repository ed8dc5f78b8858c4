"""Rows of a review: what each becomes, and what a person may choose about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from companies.models import Company
from integrations.importing.review import RowChoice
from integrations.importing.rules import has_method
from integrations.models import ImportBatch, ImportBatchRow, PsaCompanyRecord, PsaContactRecord

#: So many people of a page are read, and so many are offered for one company.
MOST_READ: Final = 3_000
MOST_OFFERED: Final = 20


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """A row with the people who could be its primary contact; `by_rule` is whom the rules take."""

    row: ImportBatchRow
    people: list[PsaContactRecord]
    by_rule: PsaContactRecord | None

    @property
    def has_choice(self) -> bool:
        """Whether there is anybody to choose from, should it become a new audITee."""
        return len(self.people) > 1

    @property
    def others(self) -> list[PsaContactRecord]:
        return [person for person in self.people if person != self.by_rule]


def review_rows(batch: ImportBatch, rows: Sequence[ImportBatchRow]) -> list[ReviewRow]:
    """The rows in their order. Two statements."""
    lists = {row.integration_id for row in rows}
    ids = {row.external_id for row in rows}
    records = PsaCompanyRecord.objects.filter(
        tenant=batch.tenant_id, integration__in=lists, external_id__in=ids
    )
    ruled = {
        (one.integration_id, one.external_id): one.primary_contact_id
        for one in records.only("integration", "external_id", "primary_contact_id")
    }
    people = _people(batch, lists, ids)
    found = []
    for row in rows:
        key = (row.integration_id, row.external_id)
        able = people[key]
        by_rule = next((one for one in able if one.external_id == ruled.get(key)), None)
        found.append(ReviewRow(row, able[:MOST_OFFERED], by_rule))
    return found


def _people(
    batch: ImportBatch, lists: Iterable[UUID], ids: Iterable[str]
) -> dict[tuple[UUID, str], list[PsaContactRecord]]:
    """Those who could be primary contacts, by integration and company."""
    rows = PsaContactRecord.objects.present().filter(
        tenant=batch.tenant_id, integration__in=lists, company_external_id__in=ids, is_active=True
    )
    found: dict[tuple[UUID, str], list[PsaContactRecord]] = defaultdict(list)
    for person in rows.order_by("id")[:MOST_READ]:
        if has_method(person):
            found[(person.integration_id, person.company_external_id)].append(person)
    return found


def choices_sent(sent: Mapping[str, Any], shown: Iterable[UUID]) -> dict[UUID, RowChoice]:
    """What a form says of each row that it shows; what it does not name stays as it is."""
    found = {}
    for pk in shown:
        kind = sent.get(f"type-{pk}")
        found[pk] = RowChoice(
            primary_contact=sent.get(f"contact-{pk}"),
            type=kind if kind in {"", *Company.Type.values} else None,
            becomes=sent.get(f"becomes-{pk}"),
        )
    return found
