"""Locks of rows, and the order in which they are taken.

1. the integration (`lock_integration`, `lock_account`), before anything is read to be changed;
2. a run or a test that a worker holds (`integrations.runs.leases`), in one statement with 1;
3. the tenant, for its licence and its last admin (`audit_site.tenants.locks.lock_tenant`);
4. companies, in the order of their ids (`integrations.links.linking`, `companies.primary`);
5. books, in the order of their companies (`agreements.stored_mrr`);
6. a tenant's chain of the audit trail, by the database itself when the transaction commits
   (`audit_site.tenants.audit_triggers`); of several tenants in the order of their ids.

The counts of a limited act (`audit_site.limits`) are locked where the act begins, the tenant's
before that of the person who asks; nobody who holds them waits for those of another act.

Two transactions that keep to this order never wait for each other in a circle. All locks are FOR NO
KEY UPDATE where rows that refer to the locked one may be inserted meanwhile. SQLite has one writer
at a time, so that nothing is locked there.
"""

from __future__ import annotations

from typing import TypeVar

from django.db.models import QuerySet

from audit_site.tenants.models import Tenant
from integrations.models.integration import Integration
from integrations.models.work import LeasedWork

WorkT = TypeVar("WorkT", bound=LeasedWork)


def lock_account(tenant: Tenant, psa: str, account_key: str) -> Integration | None:
    """The integration of one account of a PSA as it is now, held; None when there is none yet."""
    rows = Integration.objects.for_tenant(tenant).select_for_update(no_key=True)
    return rows.filter(psa=psa, account_key=account_key).first()


def lock_integration(integration: Integration) -> Integration:
    """The integration as it is now, with its tenant, held until the transaction ends."""
    rows = Integration.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("tenant").get(tenant=integration.tenant_id, pk=integration.pk)


def lock_with_integration(works: QuerySet[WorkT]) -> QuerySet[WorkT]:
    """Rows of work together with their integrations, both locked by the same statement."""
    rows = works.select_related("integration")
    return rows.select_for_update(of=("integration", "self"), no_key=True)
