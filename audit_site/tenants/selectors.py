"""Reads about tenants and their people."""

from __future__ import annotations

from audit_site.db import walls
from audit_site.tenants.models import Membership, Role, Tenant, User


def memberships_of(user: User) -> list[Membership]:
    """In which tenants a person is, the first one first; whoever asks, and for whom."""
    with walls.as_person(user.pk):
        rows = Membership.objects.filter(user=user).select_related("tenant", "user")
        return list(rows.order_by("id"))


def admins_of(tenant: Tenant) -> list[User]:
    """The people who may connect a PSA, by name."""
    admins = User.objects.filter(
        memberships__tenant=tenant, memberships__role=Role.ADMIN, is_active=True
    )
    return list(admins.order_by("name", "email"))
