"""The users of PSAs that lock a user after some wrong keys."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class PsaUser(models.Model):
    """A user at a PSA, over all tenants and connections (integrations.connecting.wrong_keys).

    It belongs to no tenant and tells nothing of one: `key` is a keyed hash of the PSA, its server
    and the user. `tries` are those of the last while, `[{"id", "at", "keys", "refused"}]`, with a
    keyed hash of what was tried; `accepted` are hashes of keys that were, the newest first.
    """

    key = models.CharField(max_length=64, primary_key=True)
    tries = models.JSONField(default=list)
    accepted = models.JSONField(default=list)
    changed_at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return self.key[:8]
