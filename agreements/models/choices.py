"""What people decided about agreements and lines, and every such decision."""

from __future__ import annotations

from uuid import UUID

from django.db import models
from django.utils import timezone

from agreements.models.contracts import Agreement, AgreementLine
from audit_site.tenants.models import TenantOwned, TenantQuerySet, User


class AgreementChoices(TenantOwned):
    """What people decided about an agreement. A table of its own, which no sync ever writes.

    `renews`: the PSA's ids of what it replaces, of its own company and account; null = nobody
    decided that, and what the PSA says holds. `right`: of which warnings somebody said that it is
    right as it is, null = of none. `cycle`: what its billing cycle is, null = what the PSA says.
    """

    worked_together = True

    agreement = models.OneToOneField(Agreement, on_delete=models.CASCADE, related_name="choices")
    exclude = models.BooleanField(default=False)
    force_include = models.BooleanField(default=False)
    assume_renewal = models.BooleanField(default=False)
    renews = models.JSONField(null=True, blank=True)
    right = models.JSONField(null=True, blank=True)
    cycle = models.JSONField(null=True, blank=True)

    objects = TenantQuerySet["AgreementChoices"].as_manager()


class LineChoices(TenantOwned):
    """What people decided about a line.

    `force_include`: it recurs, whatever its dates say. `right` and `cycle` as of an agreement.
    """

    worked_together = True

    line = models.OneToOneField(AgreementLine, on_delete=models.CASCADE, related_name="choices")
    exclude = models.BooleanField(default=False)
    force_include = models.BooleanField(default=False)
    right = models.JSONField(null=True, blank=True)
    cycle = models.JSONField(null=True, blank=True)

    objects = TenantQuerySet["LineChoices"].as_manager()


class ChoiceRecord(TenantOwned):
    """One decision, kept for ever: what it was before and is after, why, by whom and when.

    It outlives what it is about: an agreement, or a line of one, whose ids and names then stand in
    it alone. `agreement` and `line` are null then.
    """

    agreement = models.ForeignKey(
        Agreement, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    line = models.ForeignKey(
        AgreementLine, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    agreement_pk = models.UUIDField()
    line_pk = models.UUIDField(null=True, blank=True)
    source = models.CharField(max_length=40)
    external_id = models.CharField(max_length=100)
    name = models.CharField(max_length=255)
    line_name = models.CharField(max_length=255, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    note = models.TextField(blank=True)
    actor = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor_name = models.CharField(max_length=254, blank=True)
    at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet["ChoiceRecord"].as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "agreement_pk", "at"], name="choices_of_agreement"),
            models.Index(fields=["tenant", "-id"], name="choices_newest"),
        ]

    @property
    def subject_pk(self) -> UUID:
        """The id of the line or the agreement that it is about."""
        return self.line_pk or self.agreement_pk
