"""What all active companies of a tenant come to together, from what is stored of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, Subquery

from agreements import mrr
from agreements.known import editions
from agreements.models import Agreement, CompanyAverage, CompanyBook, CompanyMrr, TenantBook
from agreements.mrr.averages import averaged_months
from agreements.mrr.money import exact_text
from agreements.stored_mrr.averages import as_of_month
from agreements.stored_mrr.refreshing import refresh
from agreements.stored_mrr.tables import AVERAGES, AverageValues
from agreements.stored_mrr.waiting import refresh_for_reader
from audit_site.db.bulk import AnyOf, bulk_upsert_values
from audit_site.db.json_rows import IdText
from audit_site.tenants.models import Tenant
from companies.models import Company, FiguresChange

ACTIVE: Final = Q(company__status=Company.Status.ACTIVE)
COLUMNS: Final = [IdText("company_id"), *AVERAGES.columns[1:]]
#: One currency of a tenant: `currency`, and exact as text `exact`, `trailing12` and `forward12`.
StoredTotal = dict[str, str]


@dataclass(frozen=True, slots=True)
class Together:
    """What is stored of a tenant; `companies` is how many count."""

    version: int
    companies: int
    totals: list[StoredTotal]


@dataclass(frozen=True, slots=True)
class State:
    """What is stored, whether it holds today, and whether books wait that it is a sum of."""

    stored: Together
    holds: bool
    waits: bool


def together_today(tenant: Tenant) -> Together | None:
    """What the tenant's active companies come to today; None where books wait for the clock."""
    today = tenant.today()
    state = read_state(tenant, today)
    if state.waits:
        refresh_for_reader(tenant)
        state = read_state(tenant, today)
    if state.waits:
        return None
    return state.stored if state.holds else add_up(tenant, today)


def read_state(tenant: Tenant, today: date) -> State:
    """One statement."""
    books = CompanyBook.objects.filter(tenant=OuterRef("tenant"))
    rows = TenantBook.objects.for_tenant(tenant).annotate(
        has_changes=Exists(FiguresChange.objects.filter(tenant=OuterRef("tenant"))),
        is_overtaken=Exists(books.filter(next_change__lte=today)),
        is_former=Exists(books.filter(kept_edition__lt=editions.current().edition)),
    )
    book: Any = rows.first()
    if book is None:
        _begin(tenant)
        return read_state(tenant, today)
    return State(
        Together(book.version, book.companies, book.totals),
        holds=book.month == today.replace(day=1) and not book.has_changes,
        waits=book.is_overtaken or book.is_former,
    )


def _begin(tenant: Tenant) -> None:
    TenantBook.objects.bulk_create([TenantBook(tenant=tenant)], ignore_conflicts=True)


def version_of(tenant: Tenant) -> str:
    """A text that changes whenever what is stored of a tenant does. One statement."""
    changes = FiguresChange.objects.filter(tenant=OuterRef("tenant")).order_by()
    number = changes.values("tenant").annotate(number=Count("pk")).values("number")
    newest = changes.order_by("-pk").values("pk")[:1]
    rows = TenantBook.objects.for_tenant(tenant)
    found = rows.annotate(number=Subquery(number), newest=Subquery(newest))
    known = found.values_list("version", "number", "newest").first()
    return ":".join(map(str, known or ()))


@transaction.atomic
def add_up(tenant: Tenant, today: date) -> Together:
    """Add up what is stored of all active companies, and store the sum.

    What is committed meanwhile leaves its `FiguresChange`, so that the next reader adds up again.
    """
    _begin(tenant)
    book = TenantBook.objects.for_tenant(tenant).select_for_update().get()
    refresh(tenant, _never_worked_out(tenant))
    changes = FiguresChange.objects.for_tenant(tenant)
    changes.filter(AnyOf("id", list(changes.values_list("id", flat=True)))).delete()
    _roll_on(tenant, today)
    book.totals, book.companies = sums_of(tenant, today)
    book.version, book.month = book.version + 1, today.replace(day=1)
    book.save(update_fields=["totals", "companies", "version", "month"])
    return Together(book.version, book.companies, book.totals)


def is_right(tenant: Tenant) -> bool:
    """Whether what is stored of a tenant is the sum of what is stored of its companies.

    What is to be added up again anyway says nothing.
    """
    today = tenant.today()
    state = read_state(tenant, today)
    if not state.holds or (state.stored.totals, state.stored.companies) == sums_of(tenant, today):
        return True
    return not read_state(tenant, today).holds


def _never_worked_out(tenant: Tenant) -> set[UUID]:
    """Companies that have agreements and no book."""
    books = CompanyBook.objects.for_tenant(tenant).filter(company=OuterRef("company"))
    rows = Agreement.objects.for_tenant(tenant).filter(~Exists(books))
    return set(rows.values_list("company_id", flat=True))


def sums_of(tenant: Tenant, today: date) -> tuple[list[StoredTotal], int]:
    """By currency, and how many companies count."""
    rows = CompanyMrr.objects.for_tenant(tenant).filter(ACTIVE)
    amounts, counting = defaultdict(Sum), set()
    for company_id, currency, exact in rows.values_list(IdText("company_id"), "currency", "exact"):
        amounts[currency].add(exact)
        counting.add(company_id)
    windows: dict[str, dict[str, Sum]] = {name: defaultdict(Sum) for name in mrr.WINDOWS}
    for values in _averages(tenant, today):
        windows["trailing12"][values.currency].add(values.trailing12)
        windows["forward12"][values.currency].add(values.forward12)
    totals = [
        {
            "currency": currency,
            "exact": amounts[currency].text,
            **{name: sums[currency].text for name, sums in windows.items()},
        }
        for currency in sorted(amounts)
    ]
    return totals, len(counting)


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


def _averages(tenant: Tenant, today: date) -> Iterable[AverageValues]:
    """Those of active companies, as of this month."""
    months = averaged_months(today)
    rows = CompanyAverage.objects.for_tenant(tenant).filter(ACTIVE)
    current = rows.filter(month=months.month).values_list(*COLUMNS[:-1])
    yield from (AverageValues(*row, "") for row in current)
    for row in rows.exclude(month=months.month).values_list(*COLUMNS):
        if (values := as_of_month(AverageValues(*row), months)) is not None:
            yield values


def _roll_on(tenant: Tenant, today: date) -> None:
    """Store the averages of a former month as of this one. What another transaction holds is left
    to it.
    """
    months, rolled = averaged_months(today), []
    former = CompanyAverage.objects.for_tenant(tenant).exclude(month=months.month)
    free = former.order_by("company").select_for_update(skip_locked=True)
    for id_, *row in free.values_list("id", *COLUMNS):
        if (values := as_of_month(AverageValues(*row), months)) is not None:
            rolled.append((id_, tenant.pk, *values))
    bulk_upsert_values(CompanyAverage, ("id", "tenant_id", *AVERAGES.columns), rolled)
