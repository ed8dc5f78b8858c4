"""What ends when a person is in a tenant no more."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from audit_site.tenants.models import ApiToken, Tenant, User
from audit_site.tenants.selectors import memberships_of
from audit_site.tenants.sessions import end_sessions


def end_access(user: User, tenant: Tenant) -> list[UUID]:
    """Revoke the person's tokens of a tenant, and end their sessions if they have no other tenant.

    Call it in the transaction that ends the membership, without which no request reaches the tenant
    any more. Return the ids of the tokens.
    """
    tokens = ApiToken.objects.for_tenant(tenant).filter(user=user, revoked_at=None)
    revoked = list(tokens.order_by("id").values_list("id", flat=True))
    tokens.update(revoked_at=timezone.now())
    if not memberships_of(user):
        end_sessions(user)
    return revoked
