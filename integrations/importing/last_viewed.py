"""Who looked at which import list: what came since then is new to that person."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Max

from audit_site.tenants.models import User
from integrations.models import ImportListVisit, Integration


def note_viewed(*, integration: Integration, user: User) -> datetime | None:
    """Note that a person looks at the import list now.

    Returns up to which arrival they had seen it before: what came after that is new to them. On the
    first look that is all there is, so nothing is new. An empty list shows nothing: nobody has
    looked at it (None).
    """
    own = {"tenant_id": integration.tenant_id, "integration_id": integration.pk}
    newest = integration.psa_companies.filter(tenant=integration.tenant_id).aggregate(
        newest=Max("first_seen_at")
    )["newest"]
    visits = ImportListVisit.objects.filter(**own, user=user)
    before = visits.values_list("looked_at", flat=True).first()
    if newest is None or (before is not None and before >= newest):
        return before
    ImportListVisit.objects.bulk_create(
        [ImportListVisit(**own, user=user, looked_at=newest)],
        update_conflicts=True,
        unique_fields=["tenant", "integration", "user"],
        update_fields=["looked_at"],
    )
    return before or newest
