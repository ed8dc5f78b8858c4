"""Which audITee a PSA company probably is: what the import list knows of suggestions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import Q

from audit_site.db.bulk import AnyOf, AskedMany
from audit_site.db.statements import ModelStatement, asked_id
from integrations.importing.rules import Reason
from integrations.models import LinkSuggestion, PsaCompanyRecord, SuggestionKind


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An audITee that a PSA company probably is, how sure that is (0 to 100), and why; `rivals`:
    how many others came into question; `mark`: what was compared (see `LinkSuggestion`).
    """

    pk: UUID
    company_id: UUID
    company_name: str
    score: int
    reasons: list[Reason]
    rivals: int
    mark: str


def is_suggested() -> Q:
    """Whether an audITee is suggested for a row of the import list."""
    return Q(pk__in=_offered().values("record"))


def is_sure() -> Q:
    """Whether one is suggested that it surely is."""
    return Q(pk__in=_offered().filter(is_sure=True).values("record"))


#: The suggestions for some rows of the import list.
SUGGESTED: Final = ModelStatement[LinkSuggestion](
    lambda: (
        _offered()
        .filter(AnyOf("record_id", AskedMany(1)), tenant=asked_id(0))
        .select_related("company")
    )
)


def suggestions_for(records: Sequence[PsaCompanyRecord]) -> dict[UUID, Suggestion]:
    """The suggestions for these rows of one tenant, by the row's id. One statement at the most."""
    if not records:
        return {}
    rows = SUGGESTED.instances(records[0].tenant_id, [record.pk for record in records])
    return {
        row.record_id: Suggestion(
            row.pk,
            row.company_id,
            row.company.name,
            row.score,
            _reasons(row),
            row.rivals,
            row.mark,
        )
        for row in rows
    }


def _offered() -> Any:
    return LinkSuggestion.objects.filter(kind=SuggestionKind.LINK).offered()


def _reasons(row: LinkSuggestion) -> list[Reason]:
    return [
        {"code": reason["code"], "message": reason["message"], "fix": ""} for reason in row.reasons
    ]
