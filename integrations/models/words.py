"""What people said that the words of a PSA mean."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.utils import timezone

from audit_site.tenants.models import TenantOwned, User
from integrations.models.integration import Integration, IntegrationOwnedQuerySet

IN_FORCE = models.Q(ended_at=None)


class PsaWordQuerySet(IntegrationOwnedQuerySet["PsaWord"]):
    """What was said of words; what was changed or undone is still there."""

    def in_force(self) -> Self:
        return self.filter(IN_FORCE)


class PsaWord(TenantOwned):
    """What a word of one account means, as a person said it.

    `key` is the word without its case and its runs of blanks. `meaning` by kind: see
    `integrations.words.kinds`. A change keeps the row and its id, and what was said before becomes
    a row of its own that has ended; one that was undone has ended too, and its `ended_by_name` says
    who did it. Until `followed_at` not all that rests on it has been worked out again.
    """

    worked_together = True
    seen_by_system = ("follow_words",)

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="words")
    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=800)
    word = models.CharField(max_length=255)
    meaning = models.JSONField()
    note = models.TextField(blank=True)
    by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    by_name = models.CharField(max_length=254, blank=True)
    at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by_name = models.CharField(max_length=254, blank=True)
    followed_at = models.DateTimeField(null=True, blank=True)

    objects = PsaWordQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "integration", "kind", "key"],
                condition=IN_FORCE,
                name="one_meaning_per_word",
            )
        ]
        indexes = [
            models.Index(
                fields=["at"],
                condition=models.Q(followed_at=None),
                name="words_to_follow",
            )
        ]

    def __str__(self) -> str:
        return self.word
