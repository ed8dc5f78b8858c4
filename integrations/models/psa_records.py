"""What a PSA showed last: the rows of the import list and their contacts."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Upper
from django.utils import timezone

from audit_site.db.presence import PresenceMixin
from audit_site.tenants.models import TenantOwned, User
from integrations.models.integration import (
    Integration,
    IntegrationOwnedQuerySet,
    ModelT,
)


class PsaRecordQuerySet(PresenceMixin, IntegrationOwnedQuerySet[ModelT]):
    """What a PSA showed: rows of an integration that may be gone."""


class PsaCompanyRecord(TenantOwned):
    """A company of the PSA, as last read: one row of the import list.

    The counts are of its contacts that are not gone: all, active, and active with an e-mail or a
    phone. `rule_codes` are the import rules it breaks (integrations.importing.rules). `ignored_at`:
    a person said that it is none of audIT's, and a sync leaves that alone.
    On PostgreSQL migration 0003 adds a trigram index for the search within `search_text`, and 0015
    one by the first reason.
    """

    leaves_marks = True

    integration = models.ForeignKey(
        Integration, on_delete=models.CASCADE, related_name="psa_companies"
    )
    external_id = models.CharField(max_length=100)
    name = models.CharField(max_length=255)
    search_text = models.CharField(max_length=400)
    status = models.CharField(max_length=100, blank=True)
    type = models.CharField(max_length=255, blank=True)
    is_active = models.BooleanField(default=True)
    is_deleted = models.BooleanField(default=False)
    is_merged = models.BooleanField(default=False)
    merged_into = models.CharField(max_length=100, blank=True)
    is_own = models.BooleanField(default=False)
    default_contact_id = models.CharField(max_length=100, blank=True)
    url = models.CharField(max_length=500, blank=True)
    changed_at = models.DateTimeField(null=True, blank=True)
    contact_count = models.PositiveIntegerField(default=0)
    active_contact_count = models.PositiveIntegerField(default=0)
    reachable_contact_count = models.PositiveIntegerField(default=0)
    primary_contact_id = models.CharField(max_length=100, blank=True)
    importable = models.BooleanField(default=False)
    rule_codes = models.JSONField(default=list)
    fingerprint = models.CharField(max_length=32)
    first_seen_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True)
    ignored_at = models.DateTimeField(null=True, blank=True)
    ignored_by_name = models.CharField(max_length=255, blank=True)

    objects = PsaRecordQuerySet["PsaCompanyRecord"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "integration", "external_id"],
                name="one_psa_company_per_external_id",
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant", "integration", "importable", "search_text", "external_id"],
                name="psa_companies_importable",
            ),
            models.Index(
                fields=["tenant", "integration", "search_text", "external_id"],
                name="psa_companies_by_name",
            ),
            models.Index(
                models.F("tenant"),
                models.F("integration"),
                Upper("status"),
                models.F("search_text"),
                models.F("status"),
                name="psa_companies_by_status",
            ),
            models.Index(
                models.F("tenant"),
                models.F("integration"),
                Upper("type"),
                models.F("search_text"),
                models.F("type"),
                name="psa_companies_by_type",
            ),
            models.Index(
                fields=["tenant", "integration", "first_seen_at"], name="psa_companies_by_age"
            ),
            models.Index(fields=["tenant", "search_text", "id"], name="psa_companies_of_all"),
            models.Index(
                fields=["tenant", "importable", "search_text", "id"],
                name="psa_companies_of_all_ready",
            ),
            models.Index(
                fields=["tenant", "search_text", "id"],
                condition=models.Q(ignored_at__isnull=False),
                name="psa_companies_ignored",
            ),
            # holds all that the counts of the list are made of
            models.Index(
                fields=[
                    *("tenant", "integration", "importable", "ignored_at"),
                    *("type", "status", "rule_codes", "external_id"),
                ],
                name="psa_companies_counted",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ImportListVisit(TenantOwned):
    """When a person last looked at an import list: what came since is new to them.

    `looked_at` is the `first_seen_at` of the newest company that was there to be seen, not the time
    on the clock: what a sync was still writing at that moment is new the next time.
    """

    leaves_marks = True

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    looked_at = models.DateTimeField()

    objects = IntegrationOwnedQuerySet["ImportListVisit"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "integration", "user"], name="one_visit_per_import_list"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id} looked at {self.integration_id}"


class PsaContactRecord(TenantOwned):
    """A contact of the PSA, as last read.

    Only those of linked companies become contacts of ours.
    """

    leaves_marks = True

    integration = models.ForeignKey(
        Integration, on_delete=models.CASCADE, related_name="psa_contacts"
    )
    external_id = models.CharField(max_length=100)
    company_external_id = models.CharField(max_length=100, blank=True)
    first_name = models.CharField(max_length=255, blank=True)
    last_name = models.CharField(max_length=255, blank=True)
    email = models.CharField(max_length=254, blank=True)
    phone = models.CharField(max_length=100, blank=True)
    is_active = models.BooleanField(default=True)
    is_default = models.BooleanField(default=False)
    changed_at = models.DateTimeField(null=True, blank=True)
    fingerprint = models.CharField(max_length=32)
    gone_at = models.DateTimeField(null=True, blank=True)

    objects = PsaRecordQuerySet["PsaContactRecord"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "integration", "external_id"],
                name="one_psa_contact_per_external_id",
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant", "integration", "company_external_id"],
                name="psa_contacts_by_company",
            )
        ]

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.email
