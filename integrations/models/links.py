"""What ties an audITee to a company of a PSA."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from audit_site.tenants.models import TenantOwned, TenantQuerySet, User
from companies.models import Company
from integrations.models.integration import Integration


class CompanyLink(TenantOwned):
    """Ties a company to a PSA company. Rests while its integration is disconnected.

    `problem_codes` are the import rules that the PSA company breaks now: it stays linked and is
    flagged. `read_at` is when the newest stored reading of its agreements began.
    """

    integration = models.ForeignKey(Integration, on_delete=models.PROTECT, related_name="links")
    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="links")
    external_id = models.CharField(max_length=100)
    linked_at = models.DateTimeField(default=timezone.now)
    linked_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    unlinked_at = models.DateTimeField(null=True, blank=True)
    last_synced_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    problem_codes = models.JSONField(default=list)

    objects = TenantQuerySet["CompanyLink"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "company"],
                condition=models.Q(unlinked_at=None),
                name="one_link_per_company",
            ),
            models.UniqueConstraint(
                fields=["tenant", "integration", "external_id"],
                condition=models.Q(unlinked_at=None),
                name="one_link_per_psa_company",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.company_id} = {self.external_id}"

    @property
    def is_active(self) -> bool:
        return (
            self.unlinked_at is None and self.integration.status != Integration.Status.DISCONNECTED
        )
