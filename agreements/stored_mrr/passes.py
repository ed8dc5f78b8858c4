"""All tenants' books together: a new day passes, and what is stored is verified."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef

from agreements.known import editions
from agreements.models import CompanyBook, TenantBook
from agreements.stored_mrr.reasons import RefreshReason
from agreements.stored_mrr.refreshing import CHUNK, refresh_chunk, refresh_waiting
from agreements.stored_mrr.tables import Differences, Found
from agreements.stored_mrr.together import add_up, is_right, settled_state
from agreements.stored_mrr.waiting import waiting
from audit_site.db import walls
from audit_site.db.batches import batched
from audit_site.tenants.models import Tenant
from companies.models import Company, FiguresChange

#: What so many tenants come to is added up in one transaction.
TENANTS: Final = 50
log = logging.getLogger(__name__)


def pass_days() -> int:
    """Refresh what a new day has changed, each tenant by its own calendar, many tenants at once.

    Then the books that wait: what a sync had marked and did not come to work out, and all of them
    after a release with other rules. Returns how many companies were worked out. Safe to run as
    often as one likes: each slice is committed by itself, and the next pass goes on behind it.
    What tenants come to together is added up at the end.
    """
    count = sum(_pass_days_of(chunk) for chunk in batched(_due(), CHUNK)) + _refresh_all_waiting()
    for tenants in batched(_to_be_added_up(), TENANTS):
        add_up(tenants)
    return count


def _to_be_added_up() -> list[Tenant]:
    """Tenants of which something has changed, or whose averages are of a former month."""
    found: list[Tenant] = []
    with walls.as_system("pass_days"):
        for zone in Tenant.objects.order_by().values_list("timezone", flat=True).distinct():
            month = Tenant(timezone=zone).today().replace(day=1)
            changes = FiguresChange.objects.filter(tenant=OuterRef("pk"))
            former = TenantBook.objects.filter(tenant=OuterRef("pk"), month__lt=month)
            found += Tenant.objects.filter(Exists(changes) | Exists(former), timezone=zone)
    return sorted(found, key=lambda tenant: tenant.pk)


def _due() -> list[tuple[UUID, UUID]]:
    """The companies on which a new day has come, `(tenant id, company id)` in order."""
    due: list[tuple[UUID, UUID]] = []
    with walls.as_system("pass_days"):
        for zone in Tenant.objects.order_by().values_list("timezone", flat=True).distinct():
            today = Tenant(timezone=zone).today()
            rows = CompanyBook.objects.filter(
                tenant__timezone=zone,
                next_change__lte=today,
                computed_on__isnull=False,
                kept_edition__gte=editions.current().edition,
            )
            due += rows.values_list("tenant_id", "company_id")
    return sorted(due)


def _pass_days_of(companies: Sequence[tuple[UUID, UUID]]) -> int:
    """All together, or else each on its own: one that can't be worked out holds no other up."""
    try:
        refresh_again(companies, Found(Differences), RefreshReason.DAY)
    except (InterfaceError, OperationalError):
        raise  # the database's own trouble, and no company's: the next pass will do
    except Exception:  # whatever a stored book meets, it is logged and holds no other up
        if len(companies) > 1:
            log.warning("A day passes company by company", exc_info=True)
            return sum(_pass_days_of([company]) for company in companies)
        log.exception("MRR of company %s could not be worked out", companies[0][1])
        return 0
    return len(companies)


def _refresh_all_waiting() -> int:
    """A slice of each tenant in turn, so that a large one holds no other up."""
    count = 0
    with walls.as_system("pass_days"):
        tenants = list(Tenant.objects.filter(Exists(waiting().filter(tenant=OuterRef("pk")))))
    turns: list[tuple[Tenant, UUID | None]] = [(tenant, None) for tenant in tenants]
    while turns:
        following: list[tuple[Tenant, UUID | None]] = []
        for tenant, last in turns:
            with walls.within(tenant.pk):
                companies = _slice_after(tenant, last)
                count += _refresh_slice(tenant, companies)
            if len(companies) == CHUNK:
                following.append((tenant, companies[-1]))
        turns = following
    return count


def _slice_after(tenant: Tenant, last: UUID | None) -> list[UUID]:
    """The next companies of a tenant whose books wait, behind the last one that was looked at."""
    rows = waiting().filter(tenant=tenant).order_by("company")
    if last is not None:
        rows = rows.filter(company__gt=last)
    return list(rows.values_list("company_id", flat=True)[:CHUNK])


def _refresh_slice(tenant: Tenant, companies: Sequence[UUID]) -> int:
    """All together, or else each on its own: one that can't be worked out holds no other up."""
    try:
        with transaction.atomic():
            refresh_waiting(tenant, companies)
    except OperationalError:  # the database's own trouble: the next pass will do
        log.warning("Books of tenant %s wait for the next pass", tenant.pk, exc_info=True)
        return 0
    except InterfaceError:
        raise
    except Exception:  # whatever a stored book meets, it is logged and holds no other up
        if len(companies) > 1:
            log.warning("Books that wait are worked out company by company", exc_info=True)
            return sum(_refresh_slice(tenant, [company]) for company in companies)
        log.exception("MRR of company %s could not be worked out", companies[0])
        return 0
    return len(companies)


def verify(tenant_ids: Sequence[UUID], *, mend: bool) -> dict[UUID, Differences]:
    """Compare everything stored for some tenants with what is computed, and mend what differs."""
    with walls.together(tenant_ids):
        rows = Company.objects.filter(tenant__in=tenant_ids).order_by("tenant", "id")
        companies = list(rows.values_list("tenant_id", "id"))
    reason, found = RefreshReason.MEND if mend else RefreshReason.CHECK, Found(Differences)
    for chunk in batched(companies, CHUNK):
        refresh_again(chunk, found, reason)
    with walls.together(tenant_ids):
        tenants = list(Tenant.objects.filter(pk__in=tenant_ids))
    for tenant in tenants:
        with walls.within(tenant.pk):
            _verify_together(tenant, found, mend=mend)
    return found


def _verify_together(tenant: Tenant, found: Found, *, mend: bool) -> None:
    """What a company's rows differ in, the sum differs in as well: that is told once."""
    if tenant.pk not in found and not is_right(tenant):
        found[tenant.pk].rows += 1
        if mend:
            add_up([tenant])
    elif mend:
        settled_state(tenant)


def refresh_again(
    companies: Sequence[tuple[UUID, UUID]], found: Found, reason: RefreshReason
) -> None:
    """Refresh companies (`tenant id, company id`) of which nothing has come from outside.

    What others inherit from them is as it was. The disk is not waited for: a crash may cost this
    commit, and the caller will ask again.
    """
    tenant_ids = {tenant_id for tenant_id, _ in companies}
    with walls.together(tenant_ids), transaction.atomic():
        tenants = Tenant.objects.in_bulk(tenant_ids)
        owners = {str(company): tenants[owner] for owner, company in companies if owner in tenants}
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit TO off")
        refresh_chunk(owners, found, reason)
