"""Rows of the import list as pages and REST show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from companies.models import Company
from integrations.importing.rules import Reason, explain
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
    def is_importable(self) -> bool:
        return self.record.importable and self.linked is None


def import_rows(records: Iterable[PsaCompanyRecord], since: datetime | None) -> list[ImportRow]:
    """Rows of `list_psa_companies` in their order; new is what came after `since`. No query."""
    return [_row(record, since) for record in records]


def _row(record: PsaCompanyRecord, since: datetime | None) -> ImportRow:
    linked, info = _linked(record), record.integration.psa_info
    codes = [*(["already_linked"] if linked else []), *record.rule_codes]
    return ImportRow(record, linked, [explain(code, info) for code in codes], is_new(record, since))


def _linked(annotated: Any) -> LinkedCompany | None:
    """The link as `list_psa_companies` annotates it."""
    if annotated.linked_company_id is None:
        return None
    return LinkedCompany(
        annotated.linked_company_id,
        annotated.linked_company_name,
        annotated.linked_company_status == Company.Status.ARCHIVED,
    )
