"""Keeps what is stored of MRR equal to what the engine computes.

A company's book is worked out anew when a sync or a person changed something in it, and when a day
comes on which something in it starts or ends. Only rows that differ are written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db import connection, models, transaction
from django.utils import timezone

from agreements import books, mrr
from agreements.models import Agreement, AgreementMrr, CompanyBook, CompanyMrr
from agreements.mrr.money import exact_text, minor_units
from audit_site.tenants.models import Tenant
from companies.models import Company

#: Companies whose books are worked out together, in one transaction.
CHUNK: Final = 200
LARGEST_MINOR: Final = 2**63 - 1
NOTHING: Final = Fraction(0)
RowT = TypeVar("RowT", bound=models.Model)


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
    figure shows has changed, also where the amounts did not. `only_check` writes nothing;
    `repeatable` = whoever asks will ask again if this gets lost.
    """
    found = Differences()
    wanted = sorted({*company_ids, *_children_elsewhere(tenant, company_ids)})
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
            CompanyMrr,
            CompanyMrr.objects.for_tenant(tenant).filter(company__in=company_ids),
            expected.companies,
            ("company_id", "currency"),
            tenant,
            found,
            only_check,
        ),
        *_settle(
            AgreementMrr,
            AgreementMrr.objects.for_tenant(tenant).filter(company__in=company_ids),
            expected.agreements,
            ("agreement_id",),
            tenant,
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
    if not only_check and changed:
        CompanyBook.objects.bulk_create(
            changed,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["version", "next_change", "computed_on", "updated_at"],
        )


def _hold(tenant: Tenant, company_ids: Sequence[UUID], only_check: bool) -> dict[UUID, CompanyBook]:
    """The companies' books, locked: whoever comes next reads what we stored."""
    rows = CompanyBook.objects.for_tenant(tenant).filter(company__in=company_ids)
    if only_check:
        return {book.company_id: book for book in rows}
    known = set(rows.values_list("company_id", flat=True))
    CompanyBook.objects.bulk_create(
        [
            CompanyBook(tenant=tenant, company_id=company_id)
            for company_id in company_ids
            if company_id not in known
        ],
        ignore_conflicts=True,
    )
    return {book.company_id: book for book in rows.order_by("company").select_for_update()}


@dataclass(slots=True)
class Expected:
    """What the rows should be: values by field name."""

    companies: list[dict[str, Any]] = field(default_factory=list)
    agreements: list[dict[str, Any]] = field(default_factory=list)
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
                {
                    "agreement_id": summary.ref.pk,
                    "company_id": company_id,
                    **_amount(summary.currency[:10], summary.exact),
                    "included": summary.included,
                    "reason": summary.reason or "",
                    "last_day": item.last_day,
                }
            )
        expected.companies += [
            {"company_id": company_id, **_amount(currency, exact)}
            for currency, exact in sums.items()
        ]
        days = [day for item in items if (day := mrr.next_change(item, on))]
        if days:
            expected.next_change[company_id] = min(days)
    return expected


def _amount(currency: str, exact: Fraction) -> dict[str, Any]:
    minor = minor_units(currency, exact)
    return {
        "currency": currency,
        "exact": exact_text(exact),
        "minor": max(min(minor, LARGEST_MINOR), -LARGEST_MINOR),
    }


def _settle(
    model: type[RowT],
    stored: models.QuerySet[RowT],
    expected: Sequence[dict[str, Any]],
    key: tuple[str, ...],
    tenant: Tenant,
    found: Differences,
    only_check: bool,
) -> set[UUID]:
    """Make stored rows equal to the expected ones; return the companies whose rows differed."""
    known = {tuple(getattr(row, name) for name in key): row for row in stored}
    created: list[RowT] = []
    changed: list[RowT] = []
    for values in expected:
        row = known.pop(tuple(values[name] for name in key), None)
        if row is None:
            created.append(model(tenant=tenant, **values))
        elif any(getattr(row, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(row, name, value)
            changed.append(row)
    gone = list(known.values())
    found.rows += len(created) + len(changed) + len(gone)
    if not only_check:
        manager = model._default_manager
        manager.bulk_create(created)
        if changed:
            names = [name for name in expected[0] if name not in key]
            manager.bulk_create(
                changed, update_conflicts=True, unique_fields=["id"], update_fields=names
            )
        if gone:
            manager.filter(pk__in=[row.pk for row in gone]).delete()
    return {row.company_id for row in (*created, *changed, *gone)}  # type: ignore[attr-defined]


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
        today = Tenant(timezone=zone).today()
        due = CompanyBook.objects.filter(tenant__timezone=zone, next_change__lte=today)
        tenants = Tenant.objects.filter(pk__in=due.values("tenant"))
        for tenant in tenants.iterator():
            ids = list(due.filter(tenant=tenant).values_list("company_id", flat=True))
            refresh(tenant, ids, repeatable=True)
            passed += len(ids)
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
