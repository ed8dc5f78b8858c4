"""What companies were called when: a file about the past names them as they were called then."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from audit_site.db.bulk import AnyOf
from audit_site.tenants.models import Tenant
from companies.models import Company, FormerName


def keep_former_names(tenant: Tenant, names: Mapping[UUID, str]) -> None:
    """These companies are called otherwise from now on: keep what they were called, by their id.

    Call it in the transaction that renames them.
    """
    now = timezone.now()
    FormerName.objects.bulk_create(
        FormerName(tenant=tenant, company_id=pk, name=name, until=now) for pk, name in names.items()
    )


def names_at(
    tenant: Tenant, company_ids: Collection[UUID | str], moment: datetime
) -> dict[str, str]:
    """By id, what companies were called at a moment; the first name that is known where that was
    before. Two statements.
    """
    ours = Company.objects.for_tenant(tenant).filter(AnyOf("id", company_ids))
    names = {str(pk): name for pk, name in ours.values_list("pk", "name")}
    former = FormerName.objects.for_tenant(tenant).filter(
        AnyOf("company_id", company_ids), until__gt=moment
    )
    for pk, name in former.order_by("-until", "-id").values_list("company_id", "name"):
        names[str(pk)] = name  # the earliest of those that came after wins
    return names
