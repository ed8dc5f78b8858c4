"""What is kept of an erasure: that it happened, and not of whom."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from audit_site.ids import new_id


class Erasure(models.Model):
    """The erasure of a tenant: when, by whom, and how many rows of each table.

    Of the tenant only `mark` stays, a salted hash of its id, by which who knows the id can be shown
    that it was this one. `seal` is the hash of all that. `pending` says what is still to be done,
    `{"tenant": id, "people": [ids], "emails": [...]}`, and is empty once everything is proved gone.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    salt = models.CharField(max_length=32)
    mark = models.CharField(max_length=64)
    by = models.CharField(max_length=255, blank=True)
    began_at = models.DateTimeField(default=now)
    ended_at = models.DateTimeField(null=True, blank=True)
    counts = models.JSONField(default=dict)
    seal = models.CharField(max_length=64, blank=True)
    pending = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"erasure of {self.began_at:%Y-%m-%d}"
