"""Rows that their source stopped showing: they stay, with the moment from which they are gone."""

from __future__ import annotations

from typing import Final, Self

from django.db import models

#: What a present row is, for conditions that say more; rows have a nullable `gone_at`.
PRESENT: Final = models.Q(gone_at=None)


class PresenceMixin:
    """Adds to a queryset which rows are there and which are gone."""

    def present(self) -> Self:
        """Those that the source showed when it was last read."""
        return self.filter(PRESENT)  # type: ignore[attr-defined,no-any-return]

    def gone(self) -> Self:
        """Those that the source no longer shows."""
        return self.exclude(PRESENT)  # type: ignore[attr-defined,no-any-return]
