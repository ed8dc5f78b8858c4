"""For which tenants there is something to do: what the system finds, to be worked `within` each."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from audit_site.db.walls.asker import as_system


def owners_of(rows: QuerySet[Any, Any], reason: str) -> list[UUID]:
    """The tenants that have such rows."""
    with as_system(reason):
        return list(rows.order_by().values_list("tenant_id", flat=True).distinct())


def first_by_tenant(rows: QuerySet[Any, Any], reason: str, most: int) -> dict[UUID, list[UUID]]:
    """The ids of the first of these rows, by tenant; the tenants in the order of the rows."""
    found: dict[UUID, list[UUID]] = {}
    with as_system(reason):
        for tenant_id, pk in rows.values_list("tenant_id", "pk")[:most]:
            found.setdefault(tenant_id, []).append(pk)
    return found
