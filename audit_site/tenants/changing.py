"""What admins change about their tenant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.db import transaction

from audit_site.tenants.audit import record_audit
from audit_site.tenants.fields import clean_currency, clean_tenant_name, clean_time_zone
from audit_site.tenants.locks import lock_tenant
from audit_site.tenants.members import admin_still
from audit_site.tenants.models import Tenant, User

#: What may be changed, and how it is cleaned. How many companies a licence covers is ours to say.
CHANGEABLE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "name": clean_tenant_name,
    "timezone": clean_time_zone,
    "currency": clean_currency,
    "require_two_factor": bool,
}


@transaction.atomic
def change_tenant(
    *, tenant: Tenant, actor: User, values: Mapping[str, Any]
) -> tuple[Tenant, frozenset[str]]:
    """Change what is given, and return the tenant as it is then, and the names of what differs."""
    cleaned = {name: CHANGEABLE[name](value) for name, value in values.items()}
    held = lock_tenant(tenant)
    admin_still(held, actor)
    before = {name: getattr(held, name) for name in cleaned if getattr(held, name) != cleaned[name]}
    if before:
        after = {name: cleaned[name] for name in before}
        for name, value in after.items():
            setattr(held, name, value)
        held.save(update_fields=[*after])
        record_audit(
            tenant=held,
            actor=actor,
            action="tenant.settings_changed",
            subject=held,
            before=before,
            after=after,
        )
    return held, frozenset(before)
