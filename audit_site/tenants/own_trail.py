"""What a person does to their own account, in the trail of each tenant of theirs."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from audit_site.db import walls
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from audit_site.tenants.selectors import memberships_of


@transaction.atomic
def record_of_person(
    user: User,
    action: str,
    *,
    actor: User | None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Write an act that is about a person into the trail of each of their tenants.

    In the order of their ids, as whoever writes to several chains.
    """
    for tenant in sorted((m.tenant for m in memberships_of(user)), key=lambda one: one.pk):
        with walls.within(tenant.pk):
            record_audit(
                tenant=tenant,
                actor=actor,
                action=action,
                subject=user,
                before=before,
                after=after,
            )
