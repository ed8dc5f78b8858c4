"""Books that wait to be worked out: what a reader gets at once, and what the clock comes to.

A book waits when it was marked, when it was never kept, and when it is kept by the rules of a
former release. The clock works all of them out. A reader of one company, or of a page of them, gets
these worked out at once; a reader of all gets few, and is told the others as they are kept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from agreements.known import editions
from agreements.models import CompanyBook
from agreements.stored_mrr.held_books import LONG_AGO
from agreements.stored_mrr.refreshing import refresh_waiting
from audit_site.db.bulk import AnyOf
from audit_site.tenants.models import Tenant
from companies.models import Company

#: So many books are worked out for somebody who asks for all companies.
MOST_FOR_A_READER: Final = 200
IS_MARKED: Final = Q(next_change=LONG_AGO, computed_on=None)


@dataclass(frozen=True, slots=True)
class Late:
    """Companies whose books wait still: those that are answered as they are kept, and whether there
    are others, of which nothing is kept.
    """

    kept: frozenset[UUID] = frozenset()
    has_unkept: bool = False


NOBODY: Final = Late()


def waiting() -> QuerySet[CompanyBook]:
    """Books that were marked, or are not kept by the rules of today."""
    return CompanyBook.objects.filter(IS_MARKED | _is_of_former_rules())


def _is_of_former_rules() -> Q:
    return Q(kept_edition__lt=editions.current().edition)


def refresh_stale(tenant: Tenant, company_ids: Collection[UUID]) -> None:
    """Work out those of these books that wait.

    Call it before anybody is answered from them: what is answered is kept first.
    """
    rows = waiting().filter(AnyOf("company_id", company_ids), tenant=tenant)
    refresh_waiting(tenant, list(rows.values_list("company_id", flat=True)))


def refresh_marked(tenant: Tenant) -> None:
    """Work out all books of a tenant that were marked. For workers: they may be many."""
    marked = CompanyBook.objects.for_tenant(tenant).filter(IS_MARKED)
    refresh_waiting(tenant, list(marked.values_list("company_id", flat=True)))


def refresh_for_reader(tenant: Tenant, company_id: UUID | None = None) -> Late:
    """Work out what waits before somebody is answered, about one company or about all.

    Of all, a few that were marked or never kept. Who is late then waits for the clock: what is
    known of them is what is kept.
    """
    if company_id is not None:
        refresh_stale(tenant, [company_id])
        return NOBODY
    rows = waiting().filter(tenant=tenant).order_by("company")
    columns = ("company_id", "kept_from", "kept_edition", "computed_on")
    kept, urgent = {}, []
    for id_, kept_from, edition, computed_on in rows.values_list(*columns):
        kept[id_] = kept_from is not None
        if computed_on is None or edition == 0:
            urgent.append(id_)
    now, later = urgent[:MOST_FOR_A_READER], urgent[MOST_FOR_A_READER:]
    refresh_waiting(tenant, now)
    late = kept.keys() - now
    return Late(frozenset(id_ for id_ in late if kept[id_]), not all(kept[id_] for id_ in later))


def count_of_former_rules(tenant: Tenant) -> int:
    """How many active companies' figures are by former rules until the clock comes."""
    rows = CompanyBook.objects.for_tenant(tenant).filter(_is_of_former_rules())
    active = rows.filter(company__status=Company.Status.ACTIVE)
    return active.exclude(kept_from=None).count()
