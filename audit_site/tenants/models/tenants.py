"""The tenant, an MSP: the isolation boundary, and what every row of theirs has."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import ClassVar, Self, TypeVar
from zoneinfo import ZoneInfo

from django.db import models
from django.utils.timezone import now

from audit_site.db.walls.policies import DATA
from audit_site.ids import new_id

ModelT = TypeVar("ModelT", bound=models.Model)


class Tenant(models.Model):
    """One MSP account with us: the isolation boundary."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=255)
    timezone = models.CharField(max_length=64, default="UTC")
    currency = models.CharField(max_length=3, default="USD")
    company_limit = models.PositiveIntegerField(default=25)
    #: Whether everybody signs in with two factors.
    require_two_factor = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=now, editable=False)

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def today(self, at: datetime | None = None) -> date:
        """The calendar date in the tenant's time zone, now or at a given moment."""
        return (at or now()).astimezone(self.zone).date()


class TenantQuerySet(models.QuerySet[ModelT]):
    """Every read of tenant-owned rows begins with `for_tenant`."""

    def for_tenant(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)

    def for_tenants(self, tenants: Iterable[Tenant]) -> Self:
        """For the clock's own work over many tenants; who asks for one tenant never needs it."""
        return self.filter(tenant__in={tenant.pk for tenant in tenants})


class TenantOwned(models.Model):
    """A row that belongs to one tenant, grandchildren included.

    PostgreSQL shows it to its tenant alone (`audit_site.db.walls`); where it is `worked_together`,
    also to the clock's work for several tenants that it names (`walls.together`); and, to read, to
    whom the model says: to the system, which looks there for what is due, for these reasons; to the
    person whose id a field holds; to the one who holds the secret whose hash a field holds.
    `application_may`: what the application does with such rows at all, where that is less than
    everything. `leaves_marks`: lists show it, so that PostgreSQL notes each change of it
    (`audit_site.tenants.change_marks`). `is_told`: whether such a row tells anything of its tenant.
    """

    worked_together: ClassVar[bool] = False
    seen_by_system: ClassVar[tuple[str, ...]] = ()
    seen_by_person: ClassVar[str] = ""
    seen_by_holder: ClassVar[str] = ""
    application_may: ClassVar[tuple[str, ...]] = DATA
    leaves_marks: ClassVar[bool] = False
    is_told: ClassVar[bool] = True

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")

    class Meta:
        abstract = True
