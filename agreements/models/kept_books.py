"""What a company's book was, kept by agreements.known."""

from __future__ import annotations

from django.db import models

from audit_site.tenants.models import TenantOwned, TenantQuerySet, User
from companies.models import Company


class BookVersion(TenantOwned):
    """A company's book as it was known from a moment on, until that of its next version.

    `kind`, `run`, `user` and `name` say what changed it (`agreements.causes`). Runs are deleted in
    time: `run` is their id alone.
    """

    worked_together = True

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="+", db_index=False)
    known_from = models.DateTimeField()
    edition = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=10)
    run = models.UUIDField(null=True, blank=True)
    user = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    name = models.CharField(max_length=255, blank=True)

    objects = TenantQuerySet["BookVersion"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["company", "known_from"], name="one_version_of_a_book_at_a_time"
            )
        ]


class BookPiece(TenantOwned):
    """A part of a company's book, as it was known from `known_from` until before `known_to` (null =
    now): lines of an agreement, by its id, or with null what all of them are read with.

    `value` is what `agreements.known.values` wrote; where there is a `base`, as its difference from
    the piece with that id.
    """

    worked_together = True

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="+", db_index=False)
    agreement = models.UUIDField(null=True, blank=True)
    part = models.PositiveSmallIntegerField(default=0)
    known_from = models.DateTimeField()
    known_to = models.DateTimeField(null=True, blank=True)
    base = models.UUIDField(null=True, blank=True)
    value = models.BinaryField()

    objects = TenantQuerySet["BookPiece"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["company", "known_from"], name="pieces_of_a_book")]
