"""Companies' books as text: what is kept of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agreements import mrr
from agreements.books.relatives import foreign_parents, renewals_elsewhere, with_renewals
from agreements.books.rows import AgreementText, Kept
from agreements.books.sources import sources
from agreements.mrr.words import words_of_agreement
from audit_site.tenants.models import Tenant


@dataclass(slots=True)
class CompanyText:
    """A company's book as JSON: its agreements by id, those that only serve as context, and what
    else the engine is given, as far as it concerns these agreements.
    """

    agreements: dict[str, AgreementText]
    context: list[AgreementText]
    sources: dict[str, mrr.Source]
    words: dict[tuple[str, str, str], mrr.WordChoice]


def texts_by_company(
    of_company: Mapping[str, Sequence[Kept]],
    owners: Mapping[str, Tenant],
    parents: Mapping[tuple[str, str], Kept],
    words: mrr.Words,
) -> dict[str, CompanyText]:
    """The companies' books as text; one without agreements is an empty book."""
    foreign = {
        company_id: sorted(foreign_parents(company_id, of_company[company_id], parents))
        for company_id in of_company
    }
    renewals = renewals_elsewhere(foreign)
    found, all_sources = {}, sources()
    for company_id in owners:
        kept = of_company.get(company_id, ())
        context = with_renewals(kept, foreign.get(company_id, []), renewals)
        items = [*kept, *context]
        named = {item.agreement.source for item in items}
        found[company_id] = CompanyText(
            {item.id: item.text for item in kept if item.text},
            [item.text for item in context if item.text],
            {name: all_sources[name] for name in sorted(named) if name in all_sources},
            _words_on(items, words) if words else {},
        )
    return found


def _words_on(
    items: Iterable[Kept], words: mrr.Words
) -> dict[tuple[str, str, str], mrr.WordChoice]:
    """Of what was said of words, that which is about a word on these agreements."""
    keys: set[tuple[str, str, str]] = set()
    for item in items:
        on_lines = item.text.words if item.text else set()
        account = item.agreement.account
        found = {*words_of_agreement(item.agreement), *on_lines}
        keys.update((account, kind, key) for kind, key in found)
    return {key: words[key] for key in sorted(keys) if key in words}
