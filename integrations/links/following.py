"""Which link a later one of the same audITee takes the place of.

What the former one had brought counts until the day before, what the later one brings from its own
day on (`integrations.sync.moved_companies`): never both, on no day. So it is when an audITee moves
(`integrations.matching.moving`), and when it is unlinked and linked elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date
from uuid import UUID

from django.db.models import Exists, OuterRef

from agreements.models import Agreement
from audit_site.db.bulk import AnyOf
from audit_site.errors import DomainError
from companies.models import Company
from integrations.models import CompanyLink, Integration

#: An audITee, and the id of the PSA company that it is.
Pair = tuple[Company, str]


def take_place(links: Sequence[CompanyLink]) -> None:
    """Note on new links, not stored yet, what each takes the place of. One statement.

    To the same company again, it goes on where it was. Where none has brought an agreement before,
    there is no place to take.
    """
    if not links:
        return
    rows = CompanyLink.objects.for_tenant(links[0].tenant).standing()
    rows = rows.filter(AnyOf("company_id", [link.company_id for link in links]))
    brought = Agreement.objects.for_tenant(links[0].tenant).from_psas()
    rows = rows.filter(Exists(brought.filter(company=OuterRef("company"))))
    newest = {row.company_id: row for row in rows.order_by("linked_at", "id")}
    for link in links:
        link.moved_from = newest.get(link.company_id)
        link.counts_from = counts_from(link.moved_from, link)


def counts_from(former: CompanyLink | None, link: CompanyLink) -> date | None:
    """Since when a link counts that takes the place of a former one, None = of none."""
    if former is None:
        return None
    if former.record == link.record:
        return former.counts_from
    return link.tenant.today(link.linked_at)


def refused_returns(
    integration: Integration, pairs: Sequence[Pair]
) -> dict[tuple[UUID, str], DomainError]:
    """Of these pairs those that were linked before the audITee was linked elsewhere. One statement.

    Two stretches of one account can't be told apart: what was shown in both would count in between,
    too, beside what followed it.
    """
    links = links_that_left(integration, [company.pk for company, _ in pairs])
    return {
        (company.pk, external_id): _moved_before(integration, link)
        for company, external_id in pairs
        for link in links.get(company.pk, ())
        if link.closes(integration.pk, external_id)
    }


def links_that_left(
    integration: Integration, company_ids: Collection[UUID]
) -> dict[UUID, list[CompanyLink]]:
    """By audITee, the links that took the place of one to this account. One statement."""
    links = CompanyLink.objects.for_tenant(integration.tenant).standing()
    links = links.filter(AnyOf("company_id", company_ids), moved_from__integration=integration)
    links = links.select_related("integration", "moved_from").defer("before", "moved_from__before")
    found: dict[UUID, list[CompanyLink]] = defaultdict(list)
    for link in links:
        found[link.company_id].append(link)
    return found


def _moved_before(integration: Integration, link: CompanyLink) -> DomainError:
    return DomainError(
        "moved_before",
        f"This audITee was linked to {integration.name} before it was linked to "
        f"{link.integration.name} (company {link.external_id}).",
        "Undo that later link: figures are then as if it had not been.",
    )
