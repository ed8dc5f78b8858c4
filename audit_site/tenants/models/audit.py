"""The audit trail: one row per act."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from audit_site.tenants.models.people import User
from audit_site.tenants.models.tenants import TenantOwned, TenantQuerySet


class AuditEvent(TenantOwned):
    """Who did what, kept for ever. `details` holds no secret and no personal data of contacts."""

    at = models.DateTimeField(default=now)
    actor = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    action = models.CharField(max_length=60)
    subject_kind = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=100)
    subject_name = models.CharField(max_length=255, blank=True)
    details = models.JSONField(default=dict)

    objects = TenantQuerySet["AuditEvent"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["tenant", "-at"], name="audit_by_time")]

    def __str__(self) -> str:
        return f"{self.action} {self.subject_kind} {self.subject_id}"
