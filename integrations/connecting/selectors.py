"""Reads over connections."""

from __future__ import annotations

from typing import Any

from django.db.models import (
    Prefetch,
    QuerySet,
)

from audit_site.tenants.models import Tenant
from integrations.models import (
    ConnectionTest,
    Integration,
    SyncRun,
)


def list_integrations(tenant: Tenant, *, status: str | None = None) -> QuerySet[Integration]:
    """Integrations with their newest test, candidate's test and run, in the order of connecting.

    Disconnected ones only when their status is asked for.
    """
    rows = Integration.objects.for_tenant(tenant).select_related("tenant")
    rows = rows.not_disconnected() if status is None else rows.filter(status=status)
    tests = ConnectionTest.objects.for_tenant(tenant).order_by("-id")
    runs = SyncRun.objects.for_tenant(tenant).filter(scope=SyncRun.Scope.ALL).order_by("-id")
    prefetches: list[Prefetch[Any]] = [
        Prefetch("tests", tests.filter(is_candidate=False)[:1], to_attr="newest_tests"),
        Prefetch("tests", tests.filter(is_candidate=True)[:1], to_attr="newest_candidate_tests"),
        Prefetch("runs", runs[:1], to_attr="newest_runs"),
    ]
    return rows.order_by("id").prefetch_related(*prefetches)


def choices_of_integrations(tenant: Tenant) -> list[tuple[str, str]]:
    """Ids and names of all integrations, also disconnected ones, for a filter."""
    rows = Integration.objects.for_tenant(tenant).order_by("name", "id")
    return [(str(pk), name) for pk, name in rows.values_list("pk", "name")]
