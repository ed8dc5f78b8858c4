"""Keeps what is stored of MRR equal to what the engine computes.

A company's book is worked out anew when a sync or a person changed something in it, and when a day
comes on which something in it starts or ends. Only rows that differ are written.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
UNIQUE: Final[dict[type[models.Model], tuple[str, ...]]] = {
    CompanyMrr: ("tenant_id", "company_id", "currency"),
    AgreementMrr: ("agreement_id",),
}


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
        owners = dict.fromkeys(wanted[start : start + CHUNK], tenant)
        with transaction.atomic():
            if repeatable:
                _forget_at_a_crash()
            _refresh_chunk(owners, found, only_check=only_check, bump=bump)
    return found


def _children_elsewhere(tenant: Tenant, company_ids: Collection[UUID]) -> set[UUID]:
    """Companies that have agreements whose parents are these companies'."""
    ours = Agreement.objects.for_tenant(tenant)
    parents = ours.filter(company__in=company_ids).values_list("external_id", flat=True)
    children = ours.exclude(parent_external_id="").filter(parent_external_id__in=list(parents))
    return set(children.values_list("company_id", flat=True)) - set(company_ids)


def _forget_at_a_crash() -> None:
    """Don't wait for the disk: a crash may cost this commit, and the next pass makes it again."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO off")


#: Companies and whose they are: a chunk may hold those of several tenants.
Owners = Mapping[UUID, Tenant]


def _refresh_chunk(
    owners: Owners, found: Differences, *, only_check: bool = False, bump: bool = True
) -> None:
    held = _hold(owners, only_check)
    days = {tenant.pk: tenant.today() for tenant in owners.values()}
    with collector_paused():
        expected = _work_out(owners, days)
    differing: set[UUID] = set()
    for model, columns, rows in (
        (CompanyMrr, COMPANY_COLUMNS, expected.companies),
        (AgreementMrr, AGREEMENT_COLUMNS, expected.agreements),
    ):
        differing |= _settle(model, columns, rows, owners, found, only_check)
    changed, now = [], timezone.now()
    for company_id, book in held.items():
        next_change = expected.next_change.get(company_id)
        if (book.next_change if book.computed_on else None) != next_change:
            differing.add(company_id)
        if bump or company_id in differing:
            tenant_id = owners[company_id].pk
            version, today = book.version + 1, days[tenant_id]
            changed.append((book.id, tenant_id, company_id, version, today, next_change, now))
    differing |= expected.next_change.keys() - held.keys()
    found.companies |= differing
    if not only_check:
        upsert(CompanyBook, ("id", "tenant_id", "company_id", *BOOK_COLUMNS), changed)


def _hold(owners: Owners, only_check: bool) -> dict[UUID, Any]:
    """The companies' books, locked: whoever comes next reads what we stored."""
    rows = CompanyBook.objects.for_tenants(owners.values()).filter(company__in=owners)
    names = ("id", "company_id", "version", "computed_on", "next_change")
    if not only_check:
        rows = rows.order_by("company").select_for_update()
    held = {book.company_id: book for book in rows.values_list(*names, named=True)}
    missing = [company_id for company_id in owners if company_id not in held]
    if missing and not only_check:
        now = timezone.now()
        upsert(
            CompanyBook,
            ("id", "tenant_id", "company_id", "version", "updated_at"),
            [(new_id(), owners[company_id].pk, company_id, 0, now) for company_id in missing],
            only_missing=True,
        )
        held = {book.company_id: book for book in rows.all().values_list(*names, named=True)}
    return held


@contextmanager
def collector_paused() -> Iterator[None]:
    """No search for cycles while books are worked out: we cut the only ones there are ourselves.

    A fifth of the time goes into that search otherwise (`make bench`).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(slots=True)
class Expected:
    """What the rows should be: values in the order of their columns."""

    companies: list[tuple[Any, ...]] = field(default_factory=list)
    agreements: list[tuple[Any, ...]] = field(default_factory=list)
    next_change: dict[UUID, date] = field(default_factory=dict)


def _work_out(owners: Owners, days: Mapping[UUID, date]) -> Expected:
    expected = Expected()
    for company_id, prepared in books.prepare_by_company(owners).items():
        on = days[owners[company_id].pk]
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
        changes = [day for item in items if (day := mrr.next_change(item, on))]
        if changes:
            expected.next_change[company_id] = min(changes)
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
    owners: Owners,
    found: Differences,
    only_check: bool,
) -> set[UUID]:
    """Make stored rows equal to the expected ones; return the companies whose rows differed."""
    size = KEY_COLUMNS[model]
    at_company = columns.index("company_id")
    rows = model.objects.for_tenants(owners.values()).filter(company__in=owners)
    known = {tuple(row[1 : size + 1]): row for row in rows.values_list("id", *columns)}
    written = []
    differing: set[UUID] = set()
    for values in expected:
        row = known.pop(values[:size], None)
        if row is None or row[1:] != values:
            company_id = values[at_company]
            written.append((row[0] if row else new_id(), owners[company_id].pk, *values))
            differing.add(company_id)
    gone = [row[0] for row in known.values()]
    differing |= {row[at_company + 1] for row in known.values()}
    found.rows += len(written) + len(gone)
    if not only_check:
        if gone:
            model.objects.for_tenants(owners.values()).filter(pk__in=gone).delete()
        # an agreement may have come from another company, whose turn is yet to come
        upsert(model, ("id", "tenant_id", *columns), written, unique=UNIQUE[model])
    return differing


# The calendar


def pass_days() -> int:
    """Refresh what a new day has changed, each tenant by its own calendar, many tenants at once.

    Returns how many companies were worked out. Safe to run as often as one likes.
    """
    due: list[tuple[UUID, UUID]] = []
    for zone in Tenant.objects.order_by().values_list("timezone", flat=True).distinct():
        today = Tenant(timezone=zone).today()
        rows = CompanyBook.objects.filter(tenant__timezone=zone, next_change__lte=today)
        due += rows.values_list("tenant_id", "company_id")
    due.sort()
    for start in range(0, len(due), CHUNK):
        chunk = due[start : start + CHUNK]
        tenants = Tenant.objects.in_bulk({tenant_id for tenant_id, _ in chunk})
        owners = {company: tenants[owner] for owner, company in chunk if owner in tenants}
        with transaction.atomic():
            _forget_at_a_crash()
            _refresh_chunk(owners, Differences())
    return len(due)


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
