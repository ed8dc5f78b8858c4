"""What a person should know of a connection."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from audit_site.tenants.models import TenantOwned, User
from integrations.models.integration import Integration, IntegrationOwnedQuerySet
from integrations.models.runs import SyncRun


class Issue(TenantOwned):
    """Something about an integration that a person should know of, once for each cause.

    Of a record (`kind`, `external_id`) or of the integration itself (kind `integration`, where
    `external_id` is what of it: a kind of records, a right, "" = all of it).
    `company_external_id` is the PSA company that reading again would be about, "" = all of them. It
    closes itself when its cause is gone; a dismissed one stays quiet until then.
    """

    seen_by_system = ("prune_history",)

    #: The code of the one issue that is a question: are so many records really gone?
    TOO_MANY_GONE = "too_many_gone"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="issues")
    kind = models.CharField(max_length=20)
    external_id = models.CharField(max_length=100, blank=True)
    company_external_id = models.CharField(max_length=100, blank=True)
    code = models.CharField(max_length=40)
    name = models.CharField(max_length=255, blank=True)
    message = models.TextField()
    fix = models.TextField(blank=True)
    run = models.ForeignKey(
        SyncRun, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    count = models.PositiveIntegerField(null=True, blank=True)
    times = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    told_at = models.DateTimeField(null=True, blank=True)
    dismissed_at = models.DateTimeField(null=True, blank=True)
    dismissed_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = IntegrationOwnedQuerySet["Issue"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "integration", "kind", "external_id", "code"],
                condition=models.Q(closed_at=None),
                name="one_open_issue_per_cause",
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant", "integration", "closed_at", "-id"], name="issues_of_integration"
            )
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.name or self.external_id or self.kind}"

    @property
    def is_open(self) -> bool:
        return self.closed_at is None and self.dismissed_at is None

    @property
    def state(self) -> str:
        """`open`, `dismissed` or `closed`, as integrations.issues.inbox.by_state names them."""
        if self.closed_at is not None:
            return "closed"
        return "open" if self.dismissed_at is None else "dismissed"

    @property
    def is_of_record(self) -> bool:
        """Whether it is about one record; `external_id` names a kind or a right otherwise."""
        return self.kind != "integration" and bool(self.external_id)

    @property
    def asks_if_gone(self) -> bool:
        """Whether a person must say if what the PSA stopped showing is really gone."""
        return self.code == self.TOO_MANY_GONE and self.closed_at is None
