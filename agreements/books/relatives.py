"""Agreements of other companies that a book needs: parents, and what replaces those."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db.models import Q

from agreements.books.rows import Kept, agreements_of, read
from audit_site.db.bulk import AnyOf


def foreign_parents(
    company_id: str, kept: Iterable[Kept], parents: Mapping[tuple[str, str], Kept]
) -> list[Kept]:
    """Parents of a company's agreements that belong to another company."""
    found = {
        item.parent_key: parents.get(item.parent_key) for item in kept if item.agreement.parent_id
    }
    return [p for p in found.values() if p and p.agreement.company_id != company_id]


def context_of(kept: Sequence[Kept]) -> list[Kept]:
    """Parents that were not read yet, and what replaces them, to know if they are in force."""
    parents = parents_elsewhere(kept)
    return [*parents, *_renewals_of(parents, known=[*kept, *parents])] if parents else []


def _renewals_of(
    parents: Sequence[Kept], known: Iterable[Kept], *, with_text: bool = False
) -> list[Kept]:
    """Agreements that replace these, by somebody's choice or else as the PSA says."""
    tenants = {parent.tenant.pk: parent.tenant for parent in parents}.values()
    rows = agreements_of(*tenants).filter(  # an agreement is replaced by those of its own company
        ~Q(renews_external_ids=[]) | Q(choices__renews__isnull=False),
        AnyOf("company_id", {parent.agreement.company_id for parent in parents}),
    )
    keys = {parent.key for parent in parents}
    read_already = {item.key for item in known}
    return [
        item
        for item in read(rows, tenants, with_text=with_text)
        if _replaces_one_of(item, keys) and item.key not in read_already
    ]


def _replaces_one_of(item: Kept, keys: Collection[tuple[str, str]]) -> bool:
    account = item.agreement.account
    return any((account, id_) in keys for id_ in item.agreement.replaced_ids)


def parents_elsewhere(kept: Sequence[Kept], *, with_text: bool = False) -> list[Kept]:
    """Parents that were not read yet; most books have none, and then nothing is read."""
    wanted = {item.parent_key: item.tenant for item in kept if item.agreement.parent_id}
    if wanted:
        for item in kept:
            wanted.pop(item.key, None)
    if not wanted:
        return []
    tenants = {tenant.pk: tenant for tenant in wanted.values()}.values()
    found = agreements_of(*tenants).filter(
        integration__in={integration for integration, _ in wanted},
        external_id__in={external_id for _, external_id in wanted},
    )
    return [item for item in read(found, tenants, with_text=with_text) if item.key in wanted]


def with_renewals(
    kept: Sequence[Kept], context: Sequence[Kept], renewals: Iterable[Kept]
) -> list[Kept]:
    """These parents of another company, and what replaces them there."""
    keys = {parent.key for parent in context}
    read_already = keys | {item.key for item in kept}
    return [
        *context,
        *(
            item
            for item in renewals
            if _replaces_one_of(item, keys) and item.key not in read_already
        ),
    ]


def renewals_elsewhere(foreign: Mapping[str, Sequence[Kept]]) -> list[Kept]:
    """What replaces parents of other companies; most books have none, and nothing is read."""
    parents = list({item.id: item for items in foreign.values() for item in items}.values())
    return _renewals_of(parents, known=(), with_text=True) if parents else []
