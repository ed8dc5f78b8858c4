"""What all active companies of a tenant come to together, from what is stored of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from fractions import Fraction
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from agreements.known import editions
from agreements.models import Agreement, CompanyAverage, CompanyBook, CompanyMrr, TenantBook
from agreements.mrr.averages import AveragedMonths
from agreements.mrr.money import exact_text
from agreements.stored_mrr.averages import as_of_month
from agreements.stored_mrr.refreshing import refresh
from agreements.stored_mrr.tables import AVERAGES, AverageValues
from audit_site.db import walls
from audit_site.db.bulk import AnyOf, bulk_upsert, bulk_upsert_values
from audit_site.db.json_rows import IdText
from audit_site.db.statements import RowStatement, asked_day, asked_id, asked_number
from audit_site.tenants.models import Tenant
from companies.models import Company, FiguresChange

ACTIVE: Final = Q(company__status=Company.Status.ACTIVE)
COLUMNS: Final[list[Any]] = [IdText("company_id"), *AVERAGES.columns[1:]]
#: One currency of a tenant: `currency`, and exact as text `exact`, `trailing12` and `forward12`.
StoredTotal = dict[str, str]


class State(NamedTuple):
    """What is stored, and whether anything has changed since or waits to be worked out.

    `changes` and `newest_change` are how many `FiguresChange` there are, and the id of the newest.
    """

    version: int
    month: date | None
    companies: int
    totals: list[StoredTotal]
    changes: int
    newest_change: UUID | None
    is_overtaken: bool
    is_former: bool

    def holds(self, today: date) -> bool:
        """Whether it is what the companies come to on that day."""
        return self.month == today.replace(day=1) and not self.changes and not self.waits

    @property
    def waits(self) -> bool:
        """Whether there are books that it is a sum of and that wait for the clock."""
        return self.is_overtaken or self.is_former

    @property
    def text(self) -> str:
        """Changes whenever what the figures of the tenant rest on does."""
        return f"{self.version}:{self.changes}:{self.newest_change}"


def _state() -> QuerySet[TenantBook, Any]:
    changes = FiguresChange.objects.filter(tenant=OuterRef("tenant")).order_by()
    number = changes.values("tenant").annotate(number=Count("pk")).values("number")
    books = CompanyBook.objects.filter(tenant=OuterRef("tenant"))
    rows = TenantBook.objects.filter(tenant=asked_id(0)).annotate(
        changes=Coalesce(Subquery(number), Value(0)),
        newest_change=Subquery(changes.order_by("-pk").values("pk")[:1]),
        is_overtaken=Exists(books.filter(next_change__lte=asked_day(1))),
        is_former=Exists(books.filter(kept_edition__lt=asked_number(2))),
    )
    return rows.values_list(*State._fields)


STATE: Final = RowStatement(State, _state)


def settled_state(tenant: Tenant) -> State:
    """What is stored, added up where anything has changed; as it is where books wait."""
    state = read_state(tenant)
    if state.waits or state.holds(tenant.today()):
        return state
    add_up([tenant])
    return read_state(tenant)


def read_state(tenant: Tenant) -> State:
    """One statement, where anything was ever added up."""
    asked = (tenant.pk, tenant.today(), editions.current().edition)
    return STATE.first(*asked) or _never_added_up(*asked)


def _never_added_up(tenant_id: UUID, today: date, edition: int) -> State:
    changes = FiguresChange.objects.filter(tenant=tenant_id).order_by("-pk")
    books = CompanyBook.objects.filter(tenant=tenant_id)
    return State(
        *(0, None, 0, []),
        changes=changes.count(),
        newest_change=changes.values_list("pk", flat=True).first(),
        is_overtaken=books.filter(next_change__lte=today).exists(),
        is_former=books.filter(kept_edition__lt=edition).exists(),
    )


def add_up(tenants: Sequence[Tenant]) -> None:
    """Add up what is stored of all active companies of some tenants, and store the sums.

    What is committed meanwhile leaves its `FiguresChange`, so that the next reader adds up again.
    As many statements for many tenants as for one.
    """
    with walls.together([tenant.pk for tenant in tenants]), transaction.atomic():
        begun = [TenantBook(tenant=tenant) for tenant in tenants]
        TenantBook.objects.bulk_create(begun, ignore_conflicts=True)
        rows = TenantBook.objects.for_tenants(tenants).order_by("tenant").select_for_update()
        stored = {book.tenant_id: book for book in rows}
        for tenant, companies in _never_worked_out(tenants).items():
            refresh(tenant, companies)
        changes = FiguresChange.objects.for_tenants(tenants)
        changes.filter(AnyOf("id", list(changes.values_list("id", flat=True)))).delete()
        _roll_on(tenants)
        sums = sums_of(tenants)
        for tenant in tenants:
            book = stored[tenant.pk]
            book.totals, book.companies = sums[tenant.pk]
            book.version, book.month = book.version + 1, tenant.today().replace(day=1)
        bulk_upsert(TenantBook, list(stored.values()))


def is_right(tenant: Tenant) -> bool:
    """Whether what is stored of a tenant is the sum of what is stored of its companies.

    What is to be added up again anyway says nothing.
    """
    state, today = read_state(tenant), tenant.today()
    if not state.holds(today) or (state.totals, state.companies) == sums_of([tenant])[tenant.pk]:
        return True
    return read_state(tenant) != state


def _never_worked_out(tenants: Sequence[Tenant]) -> dict[Tenant, set[UUID]]:
    """Companies that have agreements and no book."""
    books = CompanyBook.objects.filter(tenant=OuterRef("tenant"), company=OuterRef("company"))
    rows = Agreement.objects.for_tenants(tenants).filter(~Exists(books))
    by_id, found = {tenant.pk: tenant for tenant in tenants}, defaultdict(set)
    for tenant_id, company_id in rows.values_list("tenant_id", "company_id"):
        found[by_id[tenant_id]].add(company_id)
    return found


def sums_of(tenants: Sequence[Tenant]) -> dict[UUID, tuple[list[StoredTotal], int]]:
    """By tenant: the sums by currency, and how many companies count. Two statements at the most."""
    sums: dict[UUID, Sums] = {tenant.pk: Sums() for tenant in tenants}
    rows = CompanyMrr.objects.for_tenants(tenants).filter(ACTIVE)
    columns = ("tenant_id", IdText("company_id"), "currency", "exact")
    for tenant_id, company_id, currency, exact in rows.values_list(*columns):
        sums[tenant_id].amounts[currency].add(exact)
        sums[tenant_id].counting.add(company_id)
    for tenant_id, values in _averages(tenants):
        sums[tenant_id].trailing[values.currency].add(values.trailing12)
        sums[tenant_id].forward[values.currency].add(values.forward12)
    return {pk: (found.totals, len(found.counting)) for pk, found in sums.items()}


class Sums:
    """What is added up of a tenant, by currency."""

    def __init__(self) -> None:
        self.amounts: dict[str, Sum] = defaultdict(Sum)
        self.trailing: dict[str, Sum] = defaultdict(Sum)
        self.forward: dict[str, Sum] = defaultdict(Sum)
        self.counting: set[str] = set()

    @property
    def totals(self) -> list[StoredTotal]:
        """A currency appears when a row of it counts on the day."""
        return [
            {
                "currency": currency,
                "exact": self.amounts[currency].text,
                "trailing12": self.trailing[currency].text,
                "forward12": self.forward[currency].text,
            }
            for currency in sorted(self.amounts)
        ]


class Sum:
    """Exact fractions added up: those with the same denominator as whole numbers."""

    def __init__(self) -> None:
        self._of: dict[str, int] = defaultdict(int)

    def add(self, exact: str) -> None:
        numerator, _, denominator = exact.partition("/")
        self._of[denominator] += int(numerator)

    @property
    def text(self) -> str:
        parts = (Fraction(number, int(under)) for under, number in self._of.items())
        return exact_text(sum(parts, Fraction(0)))


def _averages(tenants: Sequence[Tenant]) -> Iterator[tuple[UUID, AverageValues]]:
    """Those of active companies, as of this month, each with its tenant."""
    months = _months_of(tenants)
    rows = CompanyAverage.objects.for_tenants(tenants).filter(ACTIVE)
    for tenant_id, *row in rows.values_list("tenant_id", *COLUMNS):
        values = as_of_month(AverageValues(*row), months[tenant_id])
        if values is not None:
            yield tenant_id, values


def _months_of(tenants: Sequence[Tenant]) -> dict[UUID, AveragedMonths]:
    of_month = {month: AveragedMonths(month) for month in {_month_of(one) for one in tenants}}
    return {tenant.pk: of_month[_month_of(tenant)] for tenant in tenants}


def _month_of(tenant: Tenant) -> date:
    return tenant.today().replace(day=1)


def _roll_on(tenants: Sequence[Tenant]) -> None:
    """Store the averages of a former month as of this one. What another transaction holds is left
    to it.
    """
    months, rolled = _months_of(tenants), []
    former = Q()
    for tenant in tenants:
        former |= Q(tenant=tenant) & ~Q(month=_month_of(tenant))
    free = CompanyAverage.objects.for_tenants(tenants).filter(former).order_by("company")
    free = free.select_for_update(skip_locked=True)
    for id_, tenant_id, *row in free.values_list("id", "tenant_id", *COLUMNS):
        values = as_of_month(AverageValues(*row), months[tenant_id])
        if values is not None:
            rolled.append((id_, tenant_id, *values))
    bulk_upsert_values(CompanyAverage, ("id", "tenant_id", *AVERAGES.columns), rolled)
