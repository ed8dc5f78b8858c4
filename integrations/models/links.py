"""What ties an audITee to a company of a PSA."""

from __future__ import annotations

from typing import Final, Self

from django.db import models
from django.utils import timezone

from audit_site.tenants.models import TenantOwned, User
from companies.models import Company
from integrations.models.integration import Integration, IntegrationOwnedQuerySet

#: What a link in force is, for conditions that say more.
IN_FORCE: Final = models.Q(unlinked_at=None)


class CompanyLinkQuerySet(IntegrationOwnedQuerySet["CompanyLink"]):
    def in_force(self) -> Self:
        """Those that nobody has ended; also those that rest while their integration is off."""
        return self.filter(IN_FORCE)

    def standing(self) -> Self:
        """All but those that were undone, as if they had never been."""
        return self.filter(undone_at=None)


class CompanyLink(TenantOwned):
    """Ties a company to a PSA company. Rests while its integration is disconnected.

    `problem_codes` are the import rules that the PSA company breaks now: it stays linked and is
    flagged. `read_at` is when the newest stored reading of its agreements began.

    `before` is what the company was when it was linked (`integrations.links.kept`), None = nobody
    knows; `left` what it was when the link was ended and everything stayed. `given_name` is the
    last name that the link has given it. An undone link is ended, too. `batch`: what it was made
    together with. `moved_from`: the link that it took the place of when the audITee moved.
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
    before = models.JSONField(null=True, blank=True)
    left = models.JSONField(null=True, blank=True)
    given_name = models.CharField(max_length=255, blank=True, default="", db_default="")
    undone_at = models.DateTimeField(null=True, blank=True)
    batch = models.ForeignKey(
        "integrations.LinkBatch",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="links",
    )
    moved_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    objects = CompanyLinkQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "company"],
                condition=IN_FORCE,
                name="one_link_per_company",
            ),
            models.UniqueConstraint(
                fields=["tenant", "integration", "external_id"],
                condition=IN_FORCE,
                name="one_link_per_psa_company",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.company_id} = {self.external_id}"

    @property
    def is_active(self) -> bool:
        """Whether syncs keep it current: in force, and its integration not disconnected."""
        return self.unlinked_at is None and not self.integration.is_disconnected
