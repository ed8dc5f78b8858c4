"""Agreements that may be counted twice: which the others are, and which of two replaces which."""

from __future__ import annotations

from dataclasses import dataclass

from agreements.decisions import label_of
from agreements.models import Agreement


@dataclass(frozen=True, slots=True)
class Overlap:
    """An agreement and another one that it may be counted twice with."""

    agreement: Agreement
    other: Agreement

    @property
    def label(self) -> str:
        return label_of(self.other)

    @property
    def can_replace(self) -> bool:
        """Whether a person can decide that it replaces the other one."""
        return _can_replace(self.agreement, self.other)

    @property
    def can_be_replaced(self) -> bool:
        """Whether that can be decided the other way round."""
        return _can_replace(self.other, self.agreement)


def _can_replace(newer: Agreement, older: Agreement) -> bool:
    """What begins earlier, or on no known day, replaces nothing; nor what is of another account."""
    if newer.integration_id != older.integration_id or newer.start_date is None:
        return False
    return older.start_date is None or older.start_date <= newer.start_date
