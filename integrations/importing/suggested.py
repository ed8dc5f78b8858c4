"""Which audITee a PSA company probably is: what the import list knows of suggestions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from integrations.importing.rules import Reason
from integrations.models import PsaCompanyRecord


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An audITee that a PSA company probably is, how sure that is (0 to 100), and why."""

    company_id: UUID
    company_name: str
    score: int
    reasons: list[Reason]


def is_suggested() -> Q:
    """Whether an audITee is suggested for a row of the import list."""
    return Q(pk__in=[])


def suggestions_for(records: Sequence[PsaCompanyRecord]) -> dict[UUID, Suggestion]:
    """The suggestions for these rows of one tenant, by the row's id. One statement at the most."""
    return {}
