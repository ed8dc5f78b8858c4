"""Who looked at which import list: what came since then is new to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Max

from audit_site.tenants.models import Tenant, User
from integrations.models import ImportListVisit, Integration, PsaCompanyRecord


def looked_at_all(
    tenant: Tenant, integrations: Iterable[Integration], user: User
) -> dict[UUID, datetime]:
    """Up to which arrival this person has seen each list; none for those never looked at.

    One statement.
    """
    visits = ImportListVisit.objects.for_tenant(tenant)
    visits = visits.filter(user=user, integration__in=[one.pk for one in integrations])
    return dict(visits.values_list("integration_id", "looked_at"))


def note_viewed(
    *, tenant: Tenant, integrations: Iterable[Integration], user: User
) -> dict[UUID, datetime]:
    """Note that a person looks at these import lists now. Three statements.

    Returns up to which arrival they had seen each before: what came after that is new to them. On
    the first look that is all there is, so nothing is new. An empty list shows nothing: nobody has
    looked at it.
    """
    lists = list(integrations)
    before = looked_at_all(tenant, lists, user)
    newest = _newest(tenant, lists)
    moved = {pk: at for pk, at in newest.items() if pk not in before or before[pk] < at}
    ImportListVisit.objects.bulk_create(
        [
            ImportListVisit(tenant=tenant, integration_id=pk, user=user, looked_at=at)
            for pk, at in moved.items()
        ],
        update_conflicts=True,
        unique_fields=["tenant", "integration", "user"],
        update_fields=["looked_at"],
    )
    return {**moved, **before}


def _newest(tenant: Tenant, integrations: Iterable[Integration]) -> dict[UUID, datetime]:
    """When the newest company of each list came; none for empty ones."""
    rows = PsaCompanyRecord.objects.for_tenant(tenant).filter(
        integration__in=[one.pk for one in integrations]
    )
    newest = rows.order_by().values("integration").annotate(at=Max("first_seen_at"))
    return dict(newest.values_list("integration_id", "at"))
