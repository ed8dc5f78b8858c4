"""Reads about tenants and their people."""

from __future__ import annotations

from audit_site.tenants.models import Role, Tenant, User


def admins_of(tenant: Tenant) -> list[User]:
    """The people who may connect a PSA, by name."""
    admins = User.objects.filter(
        memberships__tenant=tenant, memberships__role=Role.ADMIN, is_active=True
    )
    return list(admins.order_by("name", "email"))
