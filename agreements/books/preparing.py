"""Books, settled by the engine: of one company, of several, of all together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import QuerySet
from msgspec.structs import replace

from agreements import mrr
from agreements.books.columns import AGREEMENTS, LINES
from agreements.books.company_texts import CompanyText, texts_by_company
from agreements.books.ends import end_gone, settle_line
from agreements.books.relatives import context_of, foreign_parents, parents_elsewhere
from agreements.books.rows import (
    Kept,
    add_lines,
    add_lines_with_text,
    agreements_of,
    lines_of,
    read,
)
from agreements.books.sources import sources
from agreements.models import Agreement
from agreements.stored_values import KeptValues, agreement_as_kept, line_as_kept
from audit_site.db.bulk import AnyOf
from audit_site.tenants.models import Tenant
from integrations.importing.said_words import words_of

NOT_GONE: Mapping[UUID, datetime | None] = {}
AS_STORED: Mapping[UUID, KeptValues] = {}


class Recount(NamedTuple):
    """Agreements of an account that count from a day on are to count from another one on, None = on
    all days.
    """

    account: UUID
    was: date
    becomes: date | None

    def concerns(self, row: Agreement) -> bool:
        return (row.integration_id, row.counts_from) == (self.account, self.was)


def prepare_company(
    tenant: Tenant,
    company_id: UUID,
    *,
    without: Collection[UUID] = (),
    gone: Mapping[UUID, datetime | None] = NOT_GONE,
    put_back: Collection[UUID] = (),
    as_kept: Mapping[UUID, KeptValues] = AS_STORED,
    recount: Recount | None = None,
) -> list[mrr.Prepared]:
    """Settle one company's book; `ref` of its agreements and lines are their model instances.

    As if some agreements were not there, others gone since another moment than is stored, others as
    before they were set aside, and others as they were when their values were kept; as if some
    counted from another day on (`recount`).
    """
    kept: dict[str, Kept] = {}
    chosen = agreements_of(tenant).filter(company=company_id)
    rows: Iterable[Any] = chosen.select_related("integration", "typed", "choices")
    for row in (row for row in rows if row.pk not in without):
        agreement = AGREEMENTS.decode(row.json)
        if row.pk in as_kept:
            agreement_as_kept(agreement, row, as_kept[row.pk])
        end_gone(agreement, gone.get(row.pk, row.gone_at), tenant)
        if row.pk in put_back:
            agreement.set_aside, agreement.force_include = False, row.typed.counted_before
        if recount is not None and recount.concerns(row):
            agreement.counts_from = recount.becomes
        agreement.ref = row
        kept[row.id_text] = Kept(row.id_text, tenant, agreement)
    lines: Iterable[Any] = lines_of([tenant]).filter(AnyOf("agreement_id", kept))
    for row in lines:
        line = LINES.decode(row.json)
        if row.agreement_id in as_kept and not line_as_kept(line, row, as_kept[row.agreement_id]):
            continue
        settle_line(line, row.gone_at, row.chosen_force_include, tenant)
        line.ref = row
        kept[row.agreement_text].agreement.lines.append(line)
    found = list(kept.values())
    return _prepared(found, context_of(found), tenant, words_of(tenant))


def stored_agreements(tenant: Tenant, company_id: UUID) -> list[mrr.Agreement]:
    """A company's agreements with their lines as the engine takes them; `ref` is their id."""
    kept = read(agreements_of(tenant).filter(company=company_id), [tenant])
    add_lines(kept, lines_of([tenant]).filter(AnyOf("agreement_id", [item.id for item in kept])))
    return [item.agreement for item in kept]


def prepare_values(tenant: Tenant, agreements: Sequence[mrr.Agreement]) -> list[mrr.Prepared]:
    """Settle a book of agreements that are not all stored, by the tenant's words."""
    return mrr.prepare(mrr.Book([*agreements], tenant.currency, sources(), words_of(tenant)))


def prepare_all(tenant: Tenant, chosen: QuerySet[Agreement]) -> list[mrr.Prepared]:
    """Settle the book of all these agreements together."""
    return mrr.prepare(book_of(tenant, chosen))


def book_of(tenant: Tenant, chosen: QuerySet[Agreement]) -> mrr.Book:
    """The book of all these agreements together."""
    kept = read(chosen, [tenant])
    add_lines(kept, lines_of([tenant]).filter(agreement__in=chosen.order_by().values("pk")))
    return _book(kept, context_of(kept), tenant, words_of(tenant))


def prepare_by_company(
    owners: Mapping[str, Tenant],
    days: Mapping[UUID, date],
    known: Collection[str] = (),
    texts: dict[str, CompanyText] | None = None,
) -> dict[str, list[mrr.Prepared]]:
    """Settle each company's book on its own: what agreements of one come to never depends on
    another's, but for the cycle that a child inherits from its parent.

    `owners`: the companies and whose they are. `days`: by tenant, the day from which on the figures
    matter. Agreements of which nothing can count from then on come without their lines, and so do
    those of which the caller knows what they come to. `texts` is filled with the whole books.
    """
    tenants = {tenant.pk: tenant for tenant in owners.values()}.values()
    with_text = texts is not None
    chosen = agreements_of(*tenants).filter(AnyOf("company_id", owners))
    kept = read(chosen, tenants, with_text=with_text)
    parents = {item.key: item for item in parents_elsewhere(kept, with_text=with_text)}
    if any(item.agreement.parent_id for item in kept):
        parents |= {item.key: item for item in kept}
    words = words_of(*tenants)
    of_company: dict[str, list[Kept]] = defaultdict(list)
    for item in kept:
        of_company[item.agreement.company_id].append(item)
    prepared = {
        company_id: _prepared(
            items, foreign_parents(company_id, items, parents), owners[company_id], words
        )
        for company_id, items in of_company.items()
    }
    counting = [
        item
        for company_id, items in of_company.items()
        for item, settled in zip(items, prepared[company_id], strict=False)
        if item.id not in known and settled.can_count(days[item.tenant.pk].toordinal())
    ]
    ids = {item.id for item in counting}
    if texts is None:
        add_lines(counting, lines_of(tenants).filter(AnyOf("agreement_id", ids)))
    else:
        every = [item.id for item in kept]
        lines = lines_of(tenants).filter(AnyOf("agreement_id", every))
        add_lines_with_text(kept, ids, lines, with_words=bool(words))
        texts |= texts_by_company(of_company, owners, parents, words)
    return prepared


def _prepared(
    kept: Sequence[Kept], context: Iterable[Kept], tenant: Tenant, words: mrr.Words
) -> list[mrr.Prepared]:
    """Settle a book; those of `context` have no rows in it, and stand at its end."""
    return mrr.prepare(_book(kept, context, tenant, words))


def _book(
    kept: Sequence[Kept], context: Iterable[Kept], tenant: Tenant, words: mrr.Words
) -> mrr.Book:
    book = [item.agreement for item in kept]
    book += [replace(other.agreement, is_context=True) for other in context]
    return mrr.Book(book, tenant.currency, sources(), words)
