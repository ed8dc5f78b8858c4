"""The link of an audITee, for whoever has to know who owns its name and contacts.

Making, ending and undoing one is in `integrations.links`.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from companies.models import Company
from integrations.models import CompanyLink


def link_of(company: Company) -> CompanyLink | None:
    """The link in force; no query where `companies_with_links` read the company."""
    links: list[CompanyLink] | None = getattr(company, "links_in_force", None)
    if links is None:
        rows = CompanyLink.objects.for_tenant(company.tenant).in_force()
        links = list(rows.filter(company=company).select_related("integration"))
    return links[0] if links else None


def link_at(company: Company, at: datetime) -> CompanyLink | None:
    """The link that was in force at a moment, also one that was undone since."""
    rows = CompanyLink.objects.for_tenant(company.tenant).filter(
        Q(unlinked_at=None) | Q(unlinked_at__gt=at), company=company, linked_at__lte=at
    )
    return rows.select_related("integration").order_by("-linked_at").first()


def owner_of(company: Company) -> str:
    """The name of the PSA that owns the company's name and contacts; "" = it is ours to edit."""
    link = link_of(company)
    return link.integration.psa_info.name if link and link.is_active else ""
