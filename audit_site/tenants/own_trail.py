"""What a person does to their own account, in the trail of each tenant of theirs."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import Membership, User


@transaction.atomic
def record_of_person(
    user: User,
    action: str,
    *,
    actor: User | None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Write an act that is about a person into the trail of each of their tenants."""
    rows = Membership.objects.filter(user=user).select_related("tenant").order_by("tenant_id")
    for membership in rows:
        record_audit(
            tenant=membership.tenant,
            actor=actor,
            action=action,
            subject=user,
            before=before,
            after=after,
        )
