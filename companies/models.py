"""Companies (audITees on screen) and their contacts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self
from uuid import UUID

from django.db import models
from django.utils import timezone
from django.utils.functional import cached_property

from audit_site.db.presence import PresenceMixin
from audit_site.tenants.models import TenantOwned, TenantQuerySet, User
from integrations.psa.contact_methods import email_in, phone_in


class Company(TenantOwned):
    """A client of the MSP, or one that may become it. Active ones count against the licence.

    `type` is ours: an import sets it by the PSA's, and nothing but a person changes it then.
    """

    leaves_marks = True
    worked_together = True

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        ARCHIVED = "archived", "Archived"

    class Type(models.TextChoices):
        CLIENT = "client", "Client"
        PROSPECT = "prospect", "Prospect"

    name = models.CharField(max_length=255)
    type = models.CharField(max_length=10, choices=Type, default=Type.CLIENT, db_default="client")
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["Company"].as_manager()

    class Meta:
        verbose_name_plural = "companies"
        indexes = [
            models.Index(fields=["tenant", "status", "name"], name="companies_by_name"),
            models.Index(fields=["tenant", "name", "id"], name="companies_in_order"),
        ]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def people(self) -> list[Contact]:
        """Its contacts that are not gone, the primary one first; lists prefetch them to here."""
        return list(self.contacts.current())

    @property
    def primary(self) -> Contact | None:
        return next((person for person in self.people if person.is_primary), None)


class ArchivedPeriod(TenantOwned):
    """When a company was archived, and brought back (null = it still is archived)."""

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="+")
    archived_at = models.DateTimeField(default=timezone.now)
    restored_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["ArchivedPeriod"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "company"],
                condition=models.Q(restored_at=None),
                name="archived_once_at_a_time",
            )
        ]


class FormerName(TenantOwned):
    """What a company was called until a moment. Since the last one it is called what it is now."""

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=255)
    until = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet["FormerName"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["company", "until"], name="former_names_of_a_company")]

    def __str__(self) -> str:
        return self.name


class ContactQuerySet(PresenceMixin, TenantQuerySet["Contact"]):
    """Contacts, of which some may be gone."""

    def current(self) -> Self:
        """Those that are not gone, the primary one first."""
        return self.present().order_by("-is_primary", "-is_active", "id")


class Contact(TenantOwned):
    """A person at a company. `external_id` is the PSA's id; "" for one that was typed in here."""

    leaves_marks = True

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="contacts")
    external_id = models.CharField(max_length=100, blank=True)
    first_name = models.CharField(max_length=255, blank=True)
    last_name = models.CharField(max_length=255, blank=True)
    email = models.CharField(max_length=254, blank=True)
    phone = models.CharField(max_length=100, blank=True)
    is_active = models.BooleanField(default=True)
    is_primary = models.BooleanField(default=False)
    fingerprint = models.CharField(max_length=32, blank=True)
    gone_at = models.DateTimeField(null=True, blank=True)

    objects = ContactQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "company", "external_id"],
                condition=~models.Q(external_id=""),
                name="one_contact_per_external_id",
            ),
            models.UniqueConstraint(
                fields=["tenant", "company"],
                condition=models.Q(is_primary=True),
                name="one_primary_contact",
            ),
        ]
        indexes = [models.Index(fields=["tenant", "company"], name="contacts_by_company")]

    def __str__(self) -> str:
        return self.full_name or self.email or self.phone

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def has_method(self) -> bool:
        """Whether it has what is plausibly an e-mail address or a phone number."""
        return bool(email_in(self.email) or phone_in(self.phone))

    @property
    def can_be_primary(self) -> bool:
        """Whether it is active and can be reached; of one that was typed in any text will do."""
        typed = not self.external_id and bool(self.email or self.phone)
        return self.is_active and (typed or self.has_method)


class PrimaryChoice(TenantOwned):
    """That a person has chosen the primary contact of a company, instead of the rule.

    It holds until that contact is gone: since `gone_at`, or erased (null). Then the rule chooses
    again, and this says why.
    """

    leaves_marks = True

    company = models.OneToOneField(Company, on_delete=models.CASCADE, related_name="primary_choice")
    contact = models.ForeignKey(
        Contact, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    chosen_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    chosen_by_name = models.CharField(max_length=254, blank=True)
    chosen_at = models.DateTimeField(default=timezone.now)
    gone_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["PrimaryChoice"].as_manager()

    def __str__(self) -> str:
        return f"{self.company_id}: {self.contact_id}"

    @property
    def holds(self) -> bool:
        return self.contact_id is not None and self.gone_at is None


class FiguresChange(TenantOwned):
    """That something has changed which the tenant's figures are sums of, since these were last
    worked out. Whoever works them out takes it away.

    Rows are only ever added, so that nobody waits for anybody else's change.
    """

    worked_together = True
    seen_by_system = ("pass_days",)

    objects = TenantQuerySet["FiguresChange"].as_manager()


def note_figures_change(tenant_ids: Iterable[UUID]) -> None:
    """Call it in the transaction of the change."""
    FiguresChange.objects.bulk_create(FiguresChange(tenant_id=pk) for pk in {*tenant_ids})
