"""Some companies' books, worked out and stored where they differ."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agreements import books
from agreements.causes import NEW_RULES, NO_CAUSE, Cause, cause
from agreements.known import editions, former_activity, keeping
from agreements.models import Agreement, CompanyBook
from agreements.stored_mrr.averages import Earned
from agreements.stored_mrr.held_books import BOOK_COLUMNS, KEPT_COLUMNS, Book, hold
from agreements.stored_mrr.reasons import CHANGING, KEEPING, WRITING, RefreshReason
from agreements.stored_mrr.tables import (
    AGREEMENTS,
    AVERAGES,
    COMPANIES,
    AgreementValues,
    Differences,
    Found,
    Owners,
    Rows,
    settle,
    stored_rows,
)
from agreements.stored_mrr.working_out import collector_paused, work_out
from audit_site.db.batches import batched
from audit_site.db.bulk import AnyOf, bulk_upsert_values
from audit_site.tenants.models import Tenant
from companies.models import note_figures_change

#: Companies whose books are worked out together, in one transaction.
CHUNK: Final = 400


def refresh(tenant: Tenant, company_ids: Collection[UUID]) -> None:
    """Work out the books of some companies, in which something has changed, and store what differs.

    With them those of companies whose agreements inherit from theirs.
    """
    _refresh(tenant, with_children(tenant, company_ids), RefreshReason.CHANGE)


def refresh_waiting(tenant: Tenant, company_ids: Collection[UUID]) -> None:
    """Work out those books of these companies that wait for it; each slice is committed by itself
    where the caller holds no transaction.

    Who marked a book has marked those that inherit from it.
    """
    _refresh(tenant, company_ids, RefreshReason.LATE)


def _refresh(tenant: Tenant, company_ids: Collection[UUID], reason: RefreshReason) -> None:
    for chunk in batched(sorted(map(str, company_ids)), CHUNK):
        with transaction.atomic(savepoint=False):
            refresh_chunk(dict.fromkeys(chunk, tenant), Found(Differences), reason)


def with_children(tenant: Tenant, company_ids: Collection[UUID]) -> set[UUID]:
    """These companies, and those that have agreements whose parents are theirs.

    Who removes agreements asks before, and has these books refreshed after.
    """
    ours = Agreement.objects.for_tenant(tenant)
    parents = ours.filter(AnyOf("company_id", company_ids)).values("external_id")
    children = ours.exclude(parent_external_id="").filter(parent_external_id__in=parents)
    return {*company_ids, *children.values_list("company_id", flat=True)}


def refresh_chunk(owners: Owners, found: Found, reason: RefreshReason) -> None:
    held = hold(owners, reason)
    others = {id_ for id_, book in held.items() if _is_for_others(book, reason)}
    held = {id_: book for id_, book in held.items() if id_ not in others}
    owners = {id_: owner for id_, owner in owners.items() if id_ not in others}
    if reason in {*CHANGING, RefreshReason.MEND}:
        former_activity.note_inactive_from(
            {id_: owners[id_] for id_, book in held.items() if book.is_former}
        )
    days = {tenant.pk: tenant.today() for tenant in owners.values()}
    keeps = reason in KEEPING
    with collector_paused():
        of_agreements = stored_rows(AGREEMENTS, owners)
        still = _still(of_agreements, owners, days) if reason is RefreshReason.DAY else {}
        texts: dict[str, books.CompanyText] = {}
        earned = Earned(days) if keeps else None
        expected = work_out(owners, days, still, texts if keeps else None, earned)
        differing = settle(
            COMPANIES, stored_rows(COMPANIES, owners), expected.companies, owners, found, reason
        )
        differing |= settle(AGREEMENTS, of_agreements, expected.agreements, owners, found, reason)
        if earned:
            rows = earned.rolled(owners)
            differing |= settle(AVERAGES, rows, expected.averages, owners, found, reason)
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
        is_written = reason in WRITING or company_id in kept
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
        noted = {tenant_id for _, tenant_id, *_ in changed}
        note_figures_change(noted | {owners[company_id].pk for company_id in differing})


def _is_for_others(book: Book, reason: RefreshReason) -> bool:
    """Books that wait are worked out as such, and no others are."""
    if reason is RefreshReason.LATE:
        return not book.is_waiting
    return reason in {RefreshReason.DAY, RefreshReason.CHECK} and book.is_waiting


def _cause_of(book: Book, reason: RefreshReason) -> Cause:
    """Why a book changes: what marked it, or what is going on now."""
    if book.is_marked and book.marked_by:
        return Cause.of_json(book.marked_by)
    is_first_keeping = book.kept.known_from is None and book.version > 0
    if is_first_keeping and cause() is NO_CAUSE and reason in CHANGING:
        return NEW_RULES
    return cause()


def _still(
    rows: Rows[AgreementValues], owners: Owners, days: Mapping[UUID, date]
) -> dict[str, AgreementValues]:
    """What is stored of agreements that today has not changed, by their ids."""
    return {
        values.agreement_id: values
        for _, values in rows.values()
        if values.next_change and values.next_change > days[owners[values.company_id].pk]
    }
