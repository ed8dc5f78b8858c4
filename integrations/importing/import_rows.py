"""Rows of the import list as pages and REST show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from companies.models import Company
from integrations.importing.rules import Reason, explain, may_mean_active
from integrations.importing.selectors import is_new
from integrations.models import PsaCompanyRecord


@dataclass(frozen=True, slots=True)
class LinkedCompany:
    """The audITee that a PSA company is linked to."""

    id: UUID
    name: str
    is_archived: bool


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A company of the import list.

    `linked` is None where it is not linked, `reasons` say why it can't be imported (none when it
    can). `is_new`: it came since the person looked at the list.
    """

    record: PsaCompanyRecord
    linked: LinkedCompany | None
    reasons: list[Reason]
    is_new: bool

    @property
    def linked_id(self) -> UUID | None:
        return self.linked.id if self.linked else None

    @property
    def is_active(self) -> bool:
        """Whether its status counts as active: where that is asked for, by what was said of it."""
        if self.record.integration.psa_info.only_active_importable:
            return "inactive" not in self.record.rule_codes
        return self.record.is_active

    @property
    def status_to_say(self) -> str:
        """Its status, where that keeps it out and may mean active all the same; else ""."""
        info, status = self.record.integration.psa_info, self.record.status
        keeps_out = "inactive" in self.record.rule_codes
        return status if keeps_out and may_mean_active(status, info) else ""

    @property
    def is_importable(self) -> bool:
        return self.record.importable and self.linked is None and not self.is_ignored

    @property
    def is_ignored(self) -> bool:
        return self.record.ignored_at is not None and self.linked is None


def import_rows(records: Iterable[PsaCompanyRecord], since: datetime | None) -> list[ImportRow]:
    """Rows of `list_psa_companies` in their order; new is what came after `since`. No query."""
    return [_row(record, since) for record in records]


def _row(record: PsaCompanyRecord, since: datetime | None) -> ImportRow:
    linked, info = _linked(record), record.integration.psa_info
    codes = [*(["already_linked"] if linked else []), *record.rule_codes]
    reasons = [explain(code, info, record.status) for code in codes]
    return ImportRow(record, linked, reasons, is_new(record, since))


def _linked(annotated: Any) -> LinkedCompany | None:
    """The link as `list_psa_companies` annotates it."""
    if annotated.linked_company_id is None:
        return None
    return LinkedCompany(
        annotated.linked_company_id,
        annotated.linked_company_name,
        annotated.linked_company_status == Company.Status.ARCHIVED,
    )
