"""Keeps what is stored of MRR equal to what the engine computes.

A company's book is worked out again when a sync or a person changed something in it, and when a day
comes on which something in it starts or ends. Only rows that differ are written.
"""

from __future__ import annotations

import gc
import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from fractions import Fraction
from typing import Any, Final, Generic, NamedTuple, TypeVar
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from agreements import books, mrr
from agreements.causes import NEW_RULES, NO_CAUSE, Cause, cause
from agreements.known import editions, keeping
from agreements.models import Agreement, AgreementMrr, CompanyBook, CompanyMrr
from agreements.mrr.money import exact_text, minor_units
from audit_site.db import walls
from audit_site.db.batches import batched
from audit_site.db.bulk import AnyOf, bulk_upsert_values
from audit_site.db.json_rows import IdText
from audit_site.ids import new_id
from audit_site.tenants.models import Tenant
from companies.models import Company

log = logging.getLogger(__name__)

#: Companies whose books are worked out together, in one transaction.
CHUNK: Final = 400
#: The next change of a book that has to be worked out again, since something in it has changed.
LONG_AGO: Final = date(2000, 1, 1)
#: The next change of an agreement that never changes by itself. None = it is not known.
NEVER: Final = date.max
LARGEST_MINOR: Final = 2**63 - 1
NOTHING: Final = Fraction(0)
BOOK_COLUMNS: Final = ("version", "computed_on", "next_change")
KEPT_COLUMNS: Final = ("kept_from", "kept_digest", "kept_edition")


class CompanyValues(NamedTuple):
    """What is stored of a company in one currency, in the order of the columns."""

    company_id: str
    currency: str
    exact: str
    minor: int


class AgreementValues(NamedTuple):
    """What is stored of an agreement, in the order of the columns."""

    agreement_id: str
    company_id: str
    currency: str
    exact: str
    minor: int
    included: bool
    reason: str
    last_day: date | None
    next_change: date | None


ValuesT = TypeVar("ValuesT", bound=CompanyValues | AgreementValues)
#: What is stored, by what identifies a row: the row's id, and its values.
Rows = dict[tuple[Any, ...], tuple[UUID, ValuesT]]


@dataclass(frozen=True, slots=True)
class Table(Generic[ValuesT]):
    """A table of derived rows. `key` = how many of the first values identify a row."""

    model: type[CompanyMrr | AgreementMrr]
    row: type[ValuesT]
    unique: tuple[str, ...]
    key: int

    @property
    def columns(self) -> tuple[str, ...]:
        return self.row._fields


COMPANIES = Table(CompanyMrr, CompanyValues, ("tenant_id", "company_id", "currency"), 2)
AGREEMENTS = Table(AgreementMrr, AgreementValues, ("agreement_id",), 1)


class RefreshReason(Enum):
    """Why books are worked out."""

    CHANGE = "a sync or a person changed something that a figure shows: each gets a new version"
    DAY = "nothing but the day has changed: agreements whose day is yet to come stay as stored"
    MEND = "nothing should have changed: only what differs is written"
    CHECK = "as MEND, but nothing is written"


#: When books may be others than they were: then each that differs is kept. No day changes one.
KEEPING = {RefreshReason.CHANGE, RefreshReason.MEND, RefreshReason.CHECK}


@dataclass(slots=True)
class Differences:
    """What storing found to differ for a tenant: rows written, and companies."""

    rows: int = 0
    companies: set[str] = field(default_factory=set)


#: What differed, by tenant.
Found = defaultdict[UUID, Differences]
#: Companies and whose they are: a chunk may hold those of several tenants.
Owners = Mapping[str, Tenant]


def refresh(tenant: Tenant, company_ids: Collection[UUID]) -> None:
    """Work out the books of some companies, in which something has changed, and store what differs.

    With them those of companies whose agreements inherit from theirs.
    """
    wanted = sorted(map(str, with_children(tenant, company_ids)))
    for chunk in batched(wanted, CHUNK):
        with transaction.atomic(savepoint=False):
            _refresh_chunk(dict.fromkeys(chunk, tenant), Found(Differences), RefreshReason.CHANGE)


def mark_stale(tenant: Tenant, company_ids: Collection[UUID]) -> None:
    """Something changed in these books, and for those that inherit: they will be worked out later
    (`refresh_stale`). Call it in a transaction.

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


def refresh_stale(tenant: Tenant, company_ids: Collection[UUID] | None = None) -> int:
    """Work out the books that were marked, of all companies or of these; how many they were.

    Call it before anybody is answered from them: what is answered is kept first.
    """
    rows = _waiting().filter(tenant=tenant)
    if company_ids is not None:
        rows = rows.filter(AnyOf("company_id", company_ids))
    stale = list(rows.values_list("company_id", flat=True))
    if stale:
        refresh(tenant, stale)
    return len(stale)


def _waiting() -> QuerySet[CompanyBook]:
    """Books that were marked, or are not kept by the rules of today."""
    is_marked = Q(next_change=LONG_AGO, computed_on=None)
    return CompanyBook.objects.filter(is_marked | Q(kept_edition__lt=editions.current().edition))


def with_children(tenant: Tenant, company_ids: Collection[UUID]) -> set[UUID]:
    """These companies, and those that have agreements whose parents are theirs.

    Who removes agreements asks before, and has these books refreshed after.
    """
    ours = Agreement.objects.for_tenant(tenant)
    parents = ours.filter(AnyOf("company_id", company_ids)).values("external_id")
    children = ours.exclude(parent_external_id="").filter(parent_external_id__in=parents)
    return {*company_ids, *children.values_list("company_id", flat=True)}


def _refresh_chunk(owners: Owners, found: Found, reason: RefreshReason) -> None:
    held = _hold(owners, reason)
    if reason in {RefreshReason.DAY, RefreshReason.CHECK}:  # marked ones are for somebody else
        marked = {company_id for company_id, book in held.items() if book.is_marked}
        held = {company_id: book for company_id, book in held.items() if company_id not in marked}
        owners = {
            company_id: owners[company_id] for company_id in owners if company_id not in marked
        }
    days = {tenant.pk: tenant.today() for tenant in owners.values()}
    keeps = reason in KEEPING
    with collector_paused():
        stored = _stored(AGREEMENTS, owners)
        still = _still(stored, owners, days) if reason is RefreshReason.DAY else {}
        texts: dict[str, books.CompanyText] = {}
        expected = _work_out(owners, days, still, texts if keeps else None)
        differing = _settle(
            COMPANIES, _stored(COMPANIES, owners), expected.companies, owners, found, reason
        )
        differing |= _settle(AGREEMENTS, stored, expected.agreements, owners, found, reason)
    candidates = [
        keeping.candidate(id_, owners[id_], text, held[id_].kept, _cause_of(held[id_], reason))
        for id_, text in texts.items()
        if id_ in held
    ]
    differing |= {one.company_id for one in candidates if one.is_missing}
    kept = {} if reason is RefreshReason.CHECK else keeping.keep(candidates)
    changed, now = [], timezone.now()
    for company_id, book in held.items():
        next_change = expected.next_change.get(company_id)
        if (book.next_change if book.computed_on else None) != next_change:
            differing.add(company_id)
        is_written = reason in {RefreshReason.CHANGE, RefreshReason.DAY} or company_id in kept
        if is_written or company_id in differing:
            tenant_id = owners[company_id].pk
            version, today = book.version + 1, days[tenant_id]
            mark = kept.get(company_id, book.kept)
            if reason is not RefreshReason.DAY:  # also one without anything in it is done with
                mark = mark._replace(edition=editions.current().edition)
            marked_by = None
            values = (version, today, next_change, *mark, marked_by, now)
            changed.append((book.id, tenant_id, company_id, *values))
    differing |= expected.next_change.keys() - held.keys()
    for company_id in differing:
        found[owners[company_id].pk].companies.add(company_id)
    if reason is not RefreshReason.CHECK:
        columns = (*BOOK_COLUMNS, *KEPT_COLUMNS, "marked_by", "updated_at")
        bulk_upsert_values(CompanyBook, ("id", "tenant_id", "company_id", *columns), changed)


def _cause_of(book: Book, reason: RefreshReason) -> Cause:
    """Why a book changes: what marked it, or what is going on now."""
    if book.is_marked and book.marked_by:
        return Cause.of_json(book.marked_by)
    is_first_keeping = book.kept.known_from is None and book.version > 0
    if is_first_keeping and cause() is NO_CAUSE and reason is RefreshReason.CHANGE:
        return NEW_RULES
    return cause()


def _still(
    stored: Rows[AgreementValues], owners: Owners, days: Mapping[UUID, date]
) -> dict[str, AgreementValues]:
    """What is stored of agreements that today has not changed, by their ids."""
    return {
        values.agreement_id: values
        for _, values in stored.values()
        if values.next_change and values.next_change > days[owners[values.company_id].pk]
    }


class Book(NamedTuple):
    """What is stored of a company's book."""

    id: UUID
    version: int = 0
    computed_on: date | None = None
    next_change: date | None = None
    kept_from: datetime | None = None
    kept_digest: str = ""
    kept_edition: int = 0
    marked_by: dict[str, Any] | None = None

    @property
    def kept(self) -> keeping.Mark:
        return keeping.Mark(self.kept_from, self.kept_digest, self.kept_edition)

    @property
    def is_marked(self) -> bool:
        return self.computed_on is None and self.next_change == LONG_AGO


def _hold(owners: Owners, reason: RefreshReason) -> dict[str, Book]:
    """The companies' books, locked: the next one to ask for them reads what we stored.

    Of a company that has no book yet, its own row is locked instead.
    """
    names = (IdText("company_id"), "id", *BOOK_COLUMNS, *KEPT_COLUMNS, "marked_by")
    rows = CompanyBook.objects.for_tenants(owners.values()).filter(AnyOf("company_id", owners))
    if reason is RefreshReason.CHECK:
        return {company_id: Book(*rest) for company_id, *rest in rows.values_list(*names)}
    rows = rows.order_by("company").select_for_update()
    held = {company_id: Book(*rest) for company_id, *rest in rows.values_list(*names)}
    missing = [company_id for company_id in owners if company_id not in held]
    if missing and reason is not RefreshReason.DAY:
        companies = Company.objects.for_tenants(owners.values()).filter(AnyOf("id", missing))
        locked = companies.order_by("id").select_for_update(no_key=True)
        held |= {str(id_): Book(new_id()) for id_ in locked.values_list("id", flat=True)}
        made = rows.filter(AnyOf("company_id", missing))  # by the one that held the lock before us
        held |= {company_id: Book(*rest) for company_id, *rest in made.values_list(*names)}
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
    """What the rows should be."""

    companies: list[CompanyValues] = field(default_factory=list)
    agreements: list[AgreementValues] = field(default_factory=list)
    next_change: dict[str, date] = field(default_factory=dict)


def _work_out(
    owners: Owners,
    days: Mapping[UUID, date],
    still: Mapping[str, AgreementValues],
    texts: dict[str, books.CompanyText] | None,
) -> Expected:
    """`still`: agreements of which is known what they come to. `texts` is filled with the books."""
    expected = Expected()
    books_now = books.prepare_by_company(owners, days, known=still, texts=texts)
    for company_id, prepared in books_now.items():
        on = days[owners[company_id].pk]
        sums: dict[str, Fraction] = {}
        changes = []
        for item in (item for item in prepared if item.is_own):
            values = still.get(item.agreement.ref)
            if values is None:
                values, exact = _work_out_agreement(item, company_id, on)
            else:
                exact = Fraction(values.exact)
            expected.agreements.append(values)
            if values.included:
                sums[values.currency] = sums.get(values.currency, NOTHING) + exact
            if values.next_change and values.next_change < NEVER:
                changes.append(values.next_change)
        expected.companies += [
            CompanyValues(company_id, currency, exact_text(exact), _minor(currency, exact))
            for currency, exact in sums.items()
        ]
        if changes:
            expected.next_change[company_id] = min(changes)
    return expected


def _work_out_agreement(
    item: mrr.Prepared, company_id: str, on: date
) -> tuple[AgreementValues, Fraction]:
    summary = mrr.summary(item, on)
    values = AgreementValues(
        summary.ref,
        company_id,
        summary.currency,
        exact_text(summary.exact),
        _minor(summary.currency, summary.exact),
        summary.included,
        summary.reason or "",
        item.last_day,
        mrr.next_change(item, on) or NEVER,
    )
    item.forget_rows()
    return values, summary.exact


def _minor(currency: str, exact: Fraction) -> int:
    return max(min(minor_units(currency, exact), LARGEST_MINOR), -LARGEST_MINOR)


def _stored(table: Table[ValuesT], owners: Owners) -> Rows[ValuesT]:
    columns = [IdText(name) if name.endswith("_id") else name for name in table.columns]
    rows = table.model.objects.for_tenants(owners.values()).filter(AnyOf("company_id", owners))
    return {
        tuple(row[: table.key]): (id_, table.row(*row))
        for id_, *row in rows.values_list("id", *columns)
    }


def _settle(
    table: Table[ValuesT],
    stored: Rows[ValuesT],
    expected: Sequence[ValuesT],
    owners: Owners,
    found: Found,
    reason: RefreshReason,
) -> set[str]:
    """Make stored rows equal to the expected ones; return the companies whose rows differed."""
    written: list[tuple[Any, ...]] = []
    differing: set[str] = set()
    for row in expected:
        known = stored.pop(row[: table.key], None)
        if known is None or known[1] != row:
            tenant_id = owners[row.company_id].pk
            written.append((known[0] if known else new_id(), tenant_id, *row))
            differing.add(row.company_id)
            found[tenant_id].rows += 1
    for _, gone in stored.values():
        differing.add(gone.company_id)
        found[owners[gone.company_id].pk].rows += 1
    if reason is not RefreshReason.CHECK:
        if stored:
            ids = [str(id_) for id_, _ in stored.values()]
            table.model.objects.for_tenants(owners.values()).filter(AnyOf("id", ids)).delete()
        # an agreement may have come from another company, whose turn is yet to come
        columns = ("id", "tenant_id", *table.columns)
        bulk_upsert_values(table.model, columns, written, unique=table.unique)
    return differing


# Many tenants at once


def pass_days() -> int:
    """Refresh what a new day has changed, each tenant by its own calendar, many tenants at once.

    And what a sync had marked and did not come to work out. Returns how many companies were worked
    out. Safe to run as often as one likes.
    """
    return sum(_pass_days_of(chunk) for chunk in batched(_due(), CHUNK)) + _refresh_all_stale()


def _due() -> list[tuple[UUID, UUID]]:
    """The companies on which a new day has come, `(tenant id, company id)` in order."""
    due: list[tuple[UUID, UUID]] = []
    with walls.as_system("pass_days"):
        for zone in Tenant.objects.order_by().values_list("timezone", flat=True).distinct():
            today = Tenant(timezone=zone).today()
            rows = CompanyBook.objects.filter(
                tenant__timezone=zone, next_change__lte=today, computed_on__isnull=False
            )
            due += rows.values_list("tenant_id", "company_id")
    return sorted(due)


def _pass_days_of(companies: Sequence[tuple[UUID, UUID]]) -> int:
    """All together, or else each on its own: one that can't be worked out holds no other up."""
    try:
        _refresh_again(companies, Found(Differences), RefreshReason.DAY)
    except (InterfaceError, OperationalError):
        raise  # the database's own trouble, and no company's: the next pass will do
    except Exception:
        if len(companies) > 1:
            log.warning("A day passes company by company", exc_info=True)
            return sum(_pass_days_of([company]) for company in companies)
        log.exception("MRR of company %s could not be worked out", companies[0][1])
        return 0
    return len(companies)


def _refresh_all_stale() -> int:
    """Each tenant on its own: one that can't be worked out holds no other up."""
    count = 0
    with walls.as_system("pass_days"):
        waiting = list(Tenant.objects.filter(Exists(_waiting().filter(tenant=OuterRef("pk")))))
    for tenant in waiting:
        try:
            with walls.within(tenant.pk):
                count += refresh_stale(tenant)
        except Exception:
            log.exception("MRR of tenant %s could not be worked out", tenant.pk)
    return count


def verify(tenant_ids: Sequence[UUID], *, mend: bool) -> dict[UUID, Differences]:
    """Compare everything stored for some tenants with what is computed, and mend what differs."""
    with walls.together(tenant_ids):
        rows = Company.objects.filter(tenant__in=tenant_ids).order_by("tenant", "id")
        companies = list(rows.values_list("tenant_id", "id"))
    reason, found = RefreshReason.MEND if mend else RefreshReason.CHECK, Found(Differences)
    for chunk in batched(companies, CHUNK):
        _refresh_again(chunk, found, reason)
    return found


def _refresh_again(
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
        _refresh_chunk(owners, found, reason)
