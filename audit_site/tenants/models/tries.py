"""How often somebody tried to sign in, and from when they may try again."""

from __future__ import annotations

from django.db import models


class TryCount(models.Model):
    """Tries that failed, of an account, an address, or both; `key` is a hash of what they are.

    A row is of no tenant: who tries is nobody yet.
    """

    key = models.CharField(max_length=64, primary_key=True)
    tries = models.FloatField(default=0)  # they are forgotten little by little
    last_at = models.DateTimeField(db_index=True)
    free_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.tries:.1f} tries"
