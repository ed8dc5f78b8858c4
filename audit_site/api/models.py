from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from audit_site.tenants.models import TenantOwned, TenantQuerySet, User


class IdempotentRequest(TenantOwned):
    """A POST that came with an `Idempotency-Key`, and its answer once there is one."""

    seen_by_system = ("forget_answers",)

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    status = models.PositiveIntegerField(null=True, blank=True)
    body = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(default=now)

    objects = TenantQuerySet["IdempotentRequest"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user", "key"], name="one_request_per_key")
        ]

    def __str__(self) -> str:
        return self.key


class ActCount(TenantOwned):
    """How often something that is limited was done since `began_at` (`audit_site.limits`).

    By one `person` (the id of a user), or by the whole tenant ("").
    """

    seen_by_system = ("forget_counts",)

    act = models.CharField(max_length=20)
    person = models.CharField(max_length=36, blank=True, default="", db_default="")
    began_at = models.DateTimeField(default=now)
    used = models.PositiveIntegerField(default=0, db_default=0)

    objects = TenantQuerySet["ActCount"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "act", "person"], name="one_count_per_act_and_person"
            )
        ]
        indexes = [models.Index(fields=["began_at"], name="act_counts_by_age")]

    def __str__(self) -> str:
        return f"{self.act}: {self.used}"
