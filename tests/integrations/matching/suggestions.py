"""Suggestions in tests: two sides that are the same, worked out at once."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from audit_site.tenants.models import Tenant
from companies.models import Company, Contact
from integrations.matching.suggesting import match_links, want_suggestions
from integrations.models import Integration, LinkMatching, LinkSuggestion, PsaCompanyRecord
from tests.factories import make_company, make_psa_company, make_psa_contact


def pair(
    integration: Integration, name: str, theirs: str = "", **reached: Any
) -> tuple[Company, PsaCompanyRecord]:
    """An audITee and a PSA company of one name, with a contact that is reached the same way."""
    company = make_company(integration.tenant, name=name)
    Contact.objects.filter(company=company).update(**{"email": "", **reached})
    record = make_psa_company(integration, name=theirs or name)
    make_psa_contact(
        integration, f"c{record.external_id}", record.external_id, **{"email": "", **reached}
    )
    return company, record


def matched(tenant: Tenant) -> None:
    """Work the suggestions of a tenant out, as a worker does."""
    want_suggestions(tenant_id=str(tenant.pk))
    LinkMatching.objects.filter(tenant=tenant).exclude(wanted_at=None).update(due_at=timezone.now())
    for matching in LinkMatching.objects.filter(tenant=tenant):
        match_links(tenant_id=str(tenant.pk), matching_id=str(matching.pk))


def brief() -> list[tuple[str, str, int]]:
    """What is offered: both names, and how sure it is."""
    rows = LinkSuggestion.objects.offered().best_first()
    return list(rows.values_list("company__name", "record__name", "score"))
