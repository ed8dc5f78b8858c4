"""Agreements and their lines, as the PSA has them or as people typed them in."""

from __future__ import annotations

from typing import Final, Self

from django.db import models

from agreements.fields import ExactDecimalField
from audit_site.db.presence import PresenceMixin
from audit_site.tenants.models import TenantOwned, TenantQuerySet
from companies.models import Company
from integrations.models import IntegrationOwnedQuerySet

#: The source of agreements that people typed in here.
MANUAL: Final = "manual"
NO_IDS: Final = models.Value([], models.JSONField())


class AgreementQuerySet(PresenceMixin, IntegrationOwnedQuerySet["Agreement"]):
    """Agreements, of which some may be gone."""

    def typed(self) -> Self:
        """Those that people typed in here."""
        return self.filter(source=MANUAL)

    def from_psas(self) -> Self:
        """Those that were read from a PSA."""
        return self.exclude(source=MANUAL)


class AgreementLineQuerySet(PresenceMixin, TenantQuerySet["AgreementLine"]):
    """Agreement lines, of which some may be gone."""


class Agreement(TenantOwned):
    """A contract of a company, read from an integration or typed in here, recurring or not.

    `end_date` and `cancelled_date` are last days in force. `cancelled`, `recurring` and `active`
    are None where the PSA doesn't say. `cycle` is a name, `{"every": N, "unit": ...}`, or
    `{"unknown": word}`; `cycle_label` the PSA's own word for it. `currency` is a code, or the PSA's
    word where that is none. `amount` is the flat amount per cycle, before tax. `former_type` is
    what the type was before the day `type_changed_on`, when we saw another one first.
    `inactive_from` is the first day out since it is not active, where we saw it active before.
    `renews_external_ids` are the PSA's ids of what it replaces, as the PSA says.
    `lines_fingerprint` is of all its lines together, "" where some may not be as they came last.

    A typed one has no integration, its own id as `external_id`, and its details in
    `TypedAgreement`. `set_aside`: its company is linked to a PSA, so that it waits for a person to
    count it; `set_aside_psa` is what that PSA is called, and `set_aside_since` the day on which it
    was linked, "" and null where nobody knows. `counts_from`: the day on which its company moved to
    this account; what counts before is of the former one.
    """

    leaves_marks = True
    worked_together = True

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="agreements")
    integration = models.ForeignKey(
        "integrations.Integration",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
    )
    source = models.CharField(max_length=40)
    external_id = models.CharField(max_length=100)
    name = models.CharField(max_length=255, blank=True)
    type = models.CharField(max_length=255, blank=True)
    former_type = models.CharField(max_length=255, blank=True)
    type_changed_on = models.DateField(null=True, blank=True)
    status = models.CharField(max_length=100, blank=True)
    currency = models.CharField(max_length=100, blank=True)
    start_date = models.DateField(null=True, blank=True)
    end_date = models.DateField(null=True, blank=True)
    no_end = models.BooleanField(default=False)
    cancelled = models.BooleanField(null=True)
    cancelled_date = models.DateField(null=True, blank=True)
    recurring = models.BooleanField(null=True)
    active = models.BooleanField(null=True)
    inactive_from = models.DateField(null=True, blank=True)
    cycle = models.JSONField(null=True, blank=True)
    cycle_label = models.CharField(max_length=100, blank=True)
    amount = ExactDecimalField(null=True, blank=True)
    parent_external_id = models.CharField(max_length=100, blank=True)
    renews_external_ids = models.JSONField(default=list, blank=True, db_default=NO_IDS)
    incomplete = models.BooleanField(default=False)
    set_aside = models.BooleanField(default=False, db_default=False)
    set_aside_psa = models.CharField(max_length=100, blank=True, default="", db_default="")
    set_aside_since = models.DateField(null=True, blank=True)
    counts_from = models.DateField(null=True, blank=True)
    fingerprint = models.CharField(max_length=32)
    lines_fingerprint = models.CharField(max_length=32, blank=True)
    changed_at = models.DateTimeField(null=True, blank=True)
    synced_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True)

    objects = AgreementQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "integration", "external_id"],
                name="one_agreement_per_external_id",
            ),
            models.CheckConstraint(
                condition=models.Q(integration=None, source=MANUAL)
                | (~models.Q(integration=None) & ~models.Q(source=MANUAL)),
                name="typed_ones_have_no_integration",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "company"], name="agreements_by_company"),
            models.Index(
                fields=["tenant", "parent_external_id"],
                condition=~models.Q(parent_external_id=""),
                name="agreements_with_parents",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.external_id

    @property
    def is_typed(self) -> bool:
        return self.source == MANUAL


class AgreementLine(TenantOwned):
    """A priced row of an agreement. `units` is its unit history, null where the PSA keeps none:
    `[{"start_date", "end_date", "units", "unit_price", "amount"}]`, dates ISO, numbers as text.
    `has_recurred`: the PSA has moved its end date on, so that it was billed again.
    """

    worked_together = True

    agreement = models.ForeignKey(Agreement, on_delete=models.CASCADE, related_name="lines")
    external_id = models.CharField(max_length=100)
    position = models.PositiveIntegerField(default=0)
    kind = models.CharField(max_length=20)
    description = models.CharField(max_length=255, blank=True)
    product = models.CharField(max_length=255, blank=True)
    quantity = ExactDecimalField(null=True, blank=True)
    unit_price = ExactDecimalField(null=True, blank=True)
    less_included = ExactDecimalField(null=True, blank=True)
    bill = models.CharField(max_length=40, default="billable")
    start_date = models.DateField(null=True, blank=True)
    end_date = models.DateField(null=True, blank=True)
    cycle = models.JSONField(null=True, blank=True)
    one_time = models.BooleanField(null=True)
    has_recurred = models.BooleanField(default=False, db_default=False)
    units = models.JSONField(null=True, blank=True)
    fingerprint = models.CharField(max_length=32)
    gone_at = models.DateTimeField(null=True, blank=True)

    objects = AgreementLineQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "agreement", "external_id"], name="one_line_per_external_id"
            )
        ]

    def __str__(self) -> str:
        return self.description or self.product or self.external_id

    @property
    def psa_name(self) -> str:
        """How to find the line in the PSA: `addition 4002100`, `service 8810`."""
        return f"{self.kind} {self.external_id.removeprefix(f'{self.kind}-')}"
