"""A new tenant with its first admin."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from audit_site.db import walls
from audit_site.tenants.addresses import clean_address
from audit_site.tenants.fields import clean_currency, clean_tenant_name, clean_time_zone, invalid
from audit_site.tenants.invitations import invite
from audit_site.tenants.members import add_new_person
from audit_site.tenants.models import Role, Tenant, User
from audit_site.tenants.proof import holder_of


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A tenant with the person who is to be its admin: at once, or by accepting an invitation.

    `was_known`: the person has an account already.
    """

    tenant: Tenant
    admin: User
    is_invited: bool
    was_known: bool


@transaction.atomic
def create_tenant(
    *,
    name: str,
    admin_email: str,
    password: str | None = None,
    company_limit: int = 25,
    time_zone: str = "UTC",
    currency: str = "USD",
) -> NewTenant:
    """Create a tenant with its first admin.

    A new person with a password is admin at once. Without one they choose it by the link of an
    invitation, and a person who is known accepts one: whoever signs in with an address that they
    never proved to be theirs would else become admin of somebody's tenant.
    """
    if company_limit < 0:
        raise invalid("company_limit", "The licence can't cover fewer than no companies.")
    address = clean_address(admin_email)
    tenant = Tenant(
        name=clean_tenant_name(name),
        timezone=clean_time_zone(time_zone),
        currency=clean_currency(currency),
        company_limit=company_limit,
    )
    with walls.within(tenant.pk):
        tenant.save(force_insert=True)
        return _with_admin(tenant, address, password)


def _with_admin(tenant: Tenant, address: str, password: str | None) -> NewTenant:
    known = holder_of(address)
    if known is None and password is not None:
        user = add_new_person(tenant=tenant, email=address, role=Role.ADMIN, password=password)
        return NewTenant(tenant, user, is_invited=False, was_known=False)
    invite(tenant=tenant, actor=None, email=address, role=Role.ADMIN)
    user = known.user if known else User.objects.create_user(address)
    return NewTenant(tenant, user, is_invited=True, was_known=known is not None)
