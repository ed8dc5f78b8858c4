"""A new tenant with its first admin."""

from __future__ import annotations

from zoneinfo import available_timezones

from django.db import transaction

from audit_site.db import walls
from audit_site.tenants.fields import invalid
from audit_site.tenants.members import add_member
from audit_site.tenants.models import Role, Tenant, User


@transaction.atomic
def create_tenant(
    *,
    name: str,
    admin_email: str,
    password: str | None = None,
    company_limit: int = 25,
    time_zone: str = "UTC",
    currency: str = "USD",
) -> tuple[Tenant, User, str | None]:
    """Create a tenant with its first admin; return the password if one was made up."""
    currency = currency.strip().upper()
    if not name.strip():
        raise invalid("name", "A tenant needs a name.")
    if time_zone not in available_timezones():
        raise invalid("timezone", f"“{time_zone}” is no time zone; write it as America/New_York.")
    if len(currency) != 3 or not (currency.isascii() and currency.isalpha()):
        raise invalid("currency", "A currency is an ISO 4217 code such as USD.")
    if company_limit < 0:
        raise invalid("company_limit", "The licence can't cover fewer than no companies.")
    tenant = Tenant(
        name=name.strip(), timezone=time_zone, currency=currency, company_limit=company_limit
    )
    with walls.within(tenant.pk):
        tenant.save(force_insert=True)
        user, made_up = add_member(
            tenant=tenant,
            email=admin_email,
            role=Role.ADMIN,
            password=password,
            needs_password=True,
        )
    return tenant, user, made_up
