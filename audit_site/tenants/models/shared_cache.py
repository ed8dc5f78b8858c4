"""What all processes share where there is no Redis."""

from __future__ import annotations

from django.db import models


class SharedCacheEntry(models.Model):
    """The table of Django's DatabaseCache, so that `migrate` alone makes it (no Redis)."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "shared_cache"

    def __str__(self) -> str:
        return self.cache_key
