"""Books that changed are marked, to be worked out later."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db.models import F, QuerySet
from django.utils import timezone

from agreements.causes import cause
from agreements.models import CompanyBook
from agreements.stored_mrr.held_books import LONG_AGO
from agreements.stored_mrr.refreshing import with_children
from audit_site.db.bulk import AnyOf
from audit_site.tenants.models import Tenant
from companies.models import note_figures_change


def mark_stale(tenant: Tenant, company_ids: Collection[UUID]) -> None:
    """Something changed in these books, and for those that inherit: they will be worked out later
    (`agreements.stored_mrr.waiting`). Call it in a transaction.

    Who asks for a marked company's MRR gets it worked out (`figures.company_totals`), with a new
    version. Sums over all companies and the order by MRR follow later.
    """
    wanted = with_children(tenant, company_ids)
    _mark(tenant, CompanyBook.objects.for_tenant(tenant).filter(AnyOf("company_id", wanted)))


def mark_all_stale(tenant: Tenant) -> None:
    """Something changed that all figures of a tenant depend on. Call it in a transaction."""
    _mark(tenant, CompanyBook.objects.for_tenant(tenant))


def _mark(tenant: Tenant, marked: QuerySet[CompanyBook]) -> None:
    locked = marked.order_by("company").select_for_update()  # in the order of all who lock books
    CompanyBook.objects.for_tenant(tenant).filter(
        AnyOf("id", list(locked.values_list("id", flat=True)))
    ).update(
        version=F("version") + 1,
        computed_on=None,
        next_change=LONG_AGO,
        updated_at=timezone.now(),
        marked_by=cause().as_json(),
    )
    note_figures_change([tenant.pk])
