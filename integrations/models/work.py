"""Work for a worker: claimed, held by a lease, taken over when the lease runs out."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from audit_site.tenants.models import TenantOwned


class LeasedWork(TenantOwned):
    """Work for a worker. This row is the truth; the message that starts it is only a hint.

    A worker claims it by raising `fence` and holds it until `lease_until`; one with an older
    fence may write no more. `resume_at` = not before then (a PSA asked us to wait).
    """

    seen_by_system: ClassVar[tuple[str, ...]] = ("sweep", "prune_history")
    #: Fields that `is_awaited` reads.
    DISPATCH_FIELDS: ClassVar[tuple[str, ...]] = ()
    #: Rows that a worker reads together with it.
    CLAIMED_WITH: ClassVar[tuple[str, ...]] = ("tenant", "integration")

    queued_at = models.DateTimeField(default=timezone.now)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    resume_at = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True

    @property
    def is_awaited(self) -> bool:
        """Whether a person waits for it: it never queues after syncs."""
        return True
