"""Contacts that were erased here and are not to come back from their PSA."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from audit_site.tenants.models import TenantOwned
from integrations.models.integration import Integration, IntegrationOwnedQuerySet


class ForgottenContact(TenantOwned):
    """A contact that was erased: its id in the PSA as a salted hash, and nothing else of it."""

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="+")
    salt = models.CharField(max_length=32)
    mark = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now)

    objects = IntegrationOwnedQuerySet["ForgottenContact"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "integration", "mark"], name="one_mark_per_forgotten_contact"
            )
        ]

    def __str__(self) -> str:
        return self.mark[:8]
