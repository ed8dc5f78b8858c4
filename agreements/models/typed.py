"""What is known besides of agreements that people typed in, and every act on them."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from agreements.models.contracts import Agreement
from audit_site.tenants.models import TenantOwned, TenantQuerySet, User
from companies.models import Company


class TypedAgreement(TenantOwned):
    """What is known besides of an agreement that was typed in here: why, by whom and when.

    `set_aside_link` is the link that it was set aside for, and `set_aside_at` since when.
    `counted_before`: until then a decision counted it, which an undo of that link makes again.
    """

    agreement = models.OneToOneField(Agreement, on_delete=models.CASCADE, related_name="typed")
    note = models.TextField(blank=True)
    typed_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    typed_by_name = models.CharField(max_length=254, blank=True)
    typed_at = models.DateTimeField(default=timezone.now)
    changed_by_name = models.CharField(max_length=254, blank=True)
    changed_at = models.DateTimeField(null=True, blank=True)
    set_aside_at = models.DateTimeField(null=True, blank=True)
    set_aside_link = models.ForeignKey(
        "integrations.CompanyLink",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    counted_before = models.BooleanField(default=False, db_default=False)

    objects = TenantQuerySet["TypedAgreement"].as_manager()

    def __str__(self) -> str:
        return str(self.agreement)


class TypedChange(TenantOwned):
    """One act on a typed agreement, kept for ever: the values before and after, by whom and when.

    It outlives the agreement, whose id then stands in `agreement_pk` alone.
    """

    class Act(models.TextChoices):
        ADDED = "added", "Added"
        CHANGED = "changed", "Changed"
        REMOVED = "removed", "Removed"
        SET_ASIDE = "set_aside", "Set aside"
        PUT_BACK = "put_back", "Put back"

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="typed_changes")
    agreement_pk = models.UUIDField()
    name = models.CharField(max_length=255)
    act = models.CharField(max_length=10, choices=Act)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    actor = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor_name = models.CharField(max_length=254, blank=True)
    at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet["TypedChange"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["tenant", "company", "at"], name="typed_by_company")]

    def __str__(self) -> str:
        return f"{self.name}: {self.act}"
