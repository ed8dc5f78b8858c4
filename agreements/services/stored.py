"""Keeps what is stored of MRR equal to what the engine computes.

A company's book is worked out anew when a sync or a person changed something in it, and when a day
comes on which something in it starts or ends. Only rows that differ are written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from django.db import connection, models, transaction
from django.utils import timezone

from agreements import books, mrr
from agreements.models import Agreement, AgreementMrr, CompanyBook, CompanyMrr
from agreements.mrr.money import exact_text, minor_units
from agreements.services.upsert import upsert
from audit_site.ids import new_id
from audit_site.tenants.models import Tenant
from companies.models import Company

#: Companies whose books are worked out together, in one transaction.
CHUNK: Final = 200
LARGEST_MINOR: Final = 2**63 - 1
NOTHING: Final = Fraction(0)
COMPANY_COLUMNS: Final = ("company_id", "currency", "exact", "minor")
AGREEMENT_COLUMNS: Final = (
    "agreement_id", "company_id", "currency", "exact", "minor", "included", "reason", "last_day",
)  # fmt: skip
BOOK_COLUMNS: Final = ("version", "computed_on", "next_change", "updated_at")
#: How many of the first columns tell one row from another.
KEY_COLUMNS: Final[dict[type[models.Model], int]] = {CompanyMrr: 2, AgreementMrr: 1}


@dataclass(slots=True)
class Differences:
    """What storing found to differ: rows written, by company."""

    rows: int = 0
    companies: set[UUID] = field(default_factory=set)


def refresh(
    tenant: Tenant,
    company_ids: Collection[UUID],
    *,
    only_check: bool = False,
    bump: bool = True,
    repeatable: bool = False,
) -> Differences:
    """Work out the books of some companies and store what differs.

    With them those of companies whose agreements inherit from theirs. `bump` = something that a
    figure shows has changed, also where the amounts did not. `only_check` writes nothing.
    `repeatable` = nothing came from outside: whoever asks will ask again if this gets lost, and
    what others inherit is as it was.
    """
    found = Differences()
    heirs = set() if repeatable else _children_elsewhere(tenant, company_ids)
    wanted = sorted({*company_ids, *heirs})
    for start in range(0, len(wanted), CHUNK):
        with transaction.atomic():
            if repeatable:
                _forget_at_a_crash()
            _refresh_chunk(tenant, wanted[start : start + CHUNK], found, only_check, bump)
    return found


def _children_elsewhere(tenant: Tenant, company_ids: Collection[UUID]) -> set[UUID]:
    """Companies that have agreements whose parents are these companies'."""
    parents = Agreement.objects.for_tenant(tenant).filter(company__in=company_ids)
    children = (
        Agreement.objects.for_tenant(tenant)
        .exclude(parent_external_id="")
        .filter(parent_external_id__in=parents.values("external_id"))
    )
    return set(children.values_list("company_id", flat=True)) - set(company_ids)


def _forget_at_a_crash() -> None:
    """Don't wait for the disk: a crash may cost this commit, and the next pass makes it again."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO off")


def _refresh_chunk(
    tenant: Tenant, company_ids: Sequence[UUID], found: Differences, only_check: bool, bump: bool
) -> None:
    held = _hold(tenant, company_ids, only_check)
    today = tenant.today()
    expected = _work_out(tenant, company_ids, today)
    differing = {
        *_settle(
            CompanyMrr, COMPANY_COLUMNS, expected.companies, tenant, company_ids, found, only_check
        ),
        *_settle(
            AgreementMrr,
            AGREEMENT_COLUMNS,
            expected.agreements,
            tenant,
            company_ids,
            found,
            only_check,
        ),
    }
    changed = []
    for company_id in company_ids:
        book, next_change = held.get(company_id), expected.next_change.get(company_id)
        known = book.next_change if book and book.computed_on else None
        if known != next_change:
            differing.add(company_id)
        if book is not None and (bump or company_id in differing):
            book.version += 1
            book.next_change, book.computed_on = next_change, today
            book.updated_at = timezone.now()
            changed.append(book)
    found.companies |= differing
    if not only_check:
        columns = ("id", "tenant_id", "company_id", *BOOK_COLUMNS)
        upsert(
            CompanyBook,
            columns,
            [
                (book.pk, tenant.pk, book.company_id, *(getattr(book, n) for n in BOOK_COLUMNS))
                for book in changed
            ],
        )


def _hold(tenant: Tenant, company_ids: Sequence[UUID], only_check: bool) -> dict[UUID, CompanyBook]:
    """The companies' books, locked: whoever comes next reads what we stored."""
    rows = CompanyBook.objects.for_tenant(tenant).filter(company__in=company_ids)
    if only_check:
        return {book.company_id: book for book in rows}
    locked = rows.order_by("company").select_for_update()
    held = {book.company_id: book for book in locked}
    missing = [company_id for company_id in company_ids if company_id not in held]
    if missing:
        CompanyBook.objects.bulk_create(
            [CompanyBook(tenant=tenant, company_id=company_id) for company_id in missing],
            ignore_conflicts=True,
        )
        held = {book.company_id: book for book in locked.all()}
    return held


@dataclass(slots=True)
class Expected:
    """What the rows should be: values in the order of their columns."""

    companies: list[tuple[Any, ...]] = field(default_factory=list)
    agreements: list[tuple[Any, ...]] = field(default_factory=list)
    next_change: dict[UUID, date] = field(default_factory=dict)


def _work_out(tenant: Tenant, company_ids: Sequence[UUID], on: date) -> Expected:
    expected = Expected()
    for company_id, prepared in books.prepare_by_company(tenant, company_ids).items():
        sums: dict[str, Fraction] = {}
        items = [item for item in prepared if not item.agreement.is_context]
        for item, summary in zip(items, mrr.summaries(prepared, on), strict=True):
            if summary.included:
                sums[summary.currency] = sums.get(summary.currency, NOTHING) + summary.exact
            expected.agreements.append(
                (
                    summary.ref.pk,
                    company_id,
                    *_amount(summary.currency, summary.exact),
                    summary.included,
                    summary.reason or "",
                    item.last_day,
                )
            )
        expected.companies += [
            (company_id, *_amount(currency, exact)) for currency, exact in sums.items()
        ]
        days = [day for item in items if (day := mrr.next_change(item, on))]
        if days:
            expected.next_change[company_id] = min(days)
        for item in prepared:  # rows and their owner name each other: let go of them at once
            item.rows.clear()
    return expected


def _amount(currency: str, exact: Fraction) -> tuple[str, str, int]:
    minor = minor_units(currency, exact)
    return currency, exact_text(exact), max(min(minor, LARGEST_MINOR), -LARGEST_MINOR)


def _settle(
    model: type[CompanyMrr] | type[AgreementMrr],
    columns: Sequence[str],
    expected: Sequence[tuple[Any, ...]],
    tenant: Tenant,
    company_ids: Sequence[UUID],
    found: Differences,
    only_check: bool,
) -> set[UUID]:
    """Make stored rows equal to the expected ones; return the companies whose rows differed."""
    size = KEY_COLUMNS[model]
    at_company = columns.index("company_id")
    rows = model.objects.for_tenant(tenant).filter(company__in=company_ids)
    known = {tuple(row[1 : size + 1]): row for row in rows.values_list("id", *columns)}
    written = []
    differing: set[UUID] = set()
    for values in expected:
        row = known.pop(values[:size], None)
        if row is None or row[1:] != values:
            written.append((row[0] if row else new_id(), tenant.pk, *values))
            differing.add(values[at_company])
    gone = [row[0] for row in known.values()]
    differing |= {row[at_company + 1] for row in known.values()}
    found.rows += len(written) + len(gone)
    if not only_check:
        if gone:
            model.objects.for_tenant(tenant).filter(pk__in=gone).delete()
        upsert(model, ("id", "tenant_id", *columns), written)
    return differing


def without_book(tenant: Tenant, company_ids: Collection[UUID]) -> set[UUID]:
    """Companies that were never worked out."""
    known = CompanyBook.objects.for_tenant(tenant).filter(company__in=company_ids)
    return set(company_ids) - set(known.values_list("company_id", flat=True))


# The calendar


def pass_days() -> int:
    """Refresh what a new day has changed, tenant by tenant, each by its own calendar.

    Returns how many companies were worked out. Safe to run as often as one likes.
    """
    passed = 0
    for zone in Tenant.objects.order_by().values_list("timezone", flat=True).distinct():
        due: dict[UUID, list[UUID]] = defaultdict(list)
        rows = CompanyBook.objects.filter(
            tenant__timezone=zone, next_change__lte=Tenant(timezone=zone).today()
        )
        for tenant_id, company_id in rows.values_list("tenant_id", "company_id"):
            due[tenant_id].append(company_id)
        for tenant in Tenant.objects.filter(pk__in=due).iterator():
            refresh(tenant, due[tenant.pk], repeatable=True)
            passed += len(due[tenant.pk])
    return passed


def companies_by_chunk(tenant: Tenant) -> Iterator[list[UUID]]:
    """All companies of a tenant, some at a time, in the order of ids."""
    ids = list(Company.objects.for_tenant(tenant).order_by("id").values_list("id", flat=True))
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


def verify(tenant: Tenant, *, mend: bool) -> Differences:
    """Compare everything stored for a tenant with what is computed, and mend what differs."""
    found = Differences()
    for company_ids in companies_by_chunk(tenant):
        part = refresh(tenant, company_ids, only_check=not mend, bump=False, repeatable=True)
        found.rows += part.rows
        found.companies |= part.companies
    return found
