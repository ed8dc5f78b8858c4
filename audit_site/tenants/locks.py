"""The lock of a tenant: whoever counts something of a tenant's as a whole holds it."""

from __future__ import annotations

from audit_site.tenants.models import Tenant


def lock_tenant(tenant: Tenant) -> Tenant:
    """The tenant as it is now, held until the transaction ends.

    For the licence, which companies are counted against, and for the last admin. PostgreSQL locks
    the row, against its like and not against who inserts rows that refer to it; on SQLite the
    transaction itself (IMMEDIATE) is the lock.
    """
    return Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
