"""Reads over suggestions."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Q, QuerySet

from audit_site.db.bulk import AnyOf
from audit_site.tenants.models import Tenant
from integrations.models import Integration, LinkMatching, LinkSuggestion, SuggestionKind
from integrations.models.suggestions import LinkSuggestionQuerySet


def list_suggestions(
    tenant: Tenant,
    *,
    integration: UUID | None = None,
    company: UUID | None = None,
    kind: str = "",
    sure: bool | None = None,
    dismissed: bool = False,
) -> LinkSuggestionQuerySet:
    """Suggestions that can be confirmed, best first, with both sides; or those that a person
    dismissed. `integration`: whose companies are suggested.
    """
    rows = LinkSuggestion.objects.for_tenant(tenant).fitting()
    rows = rows.exclude(dismissed_at=None) if dismissed else rows.filter(dismissed_at=None)
    if integration is not None:
        rows = rows.filter(record__integration=integration)
    if company is not None:
        rows = rows.filter(company=company)
    if kind:
        rows = rows.filter(kind=kind)
    if sure is not None:
        rows = rows.filter(is_sure=sure)
    return rows.select_related("company", "record__integration", "source").best_first()


def suggestions_of(tenant: Tenant, ids: Sequence[UUID]) -> list[LinkSuggestion]:
    """These suggestions with both sides, best first, whether they can be confirmed or not."""
    rows = LinkSuggestion.objects.for_tenant(tenant).filter(AnyOf("id", ids))
    return list(rows.select_related("company", "record__integration", "source").best_first())


def matching_of(tenant: Tenant) -> LinkMatching | None:
    """When suggestions for links are or were worked out; None = never."""
    rows = LinkMatching.objects.for_tenant(tenant)
    return rows.filter(kind=SuggestionKind.LINK).first()


def is_matching(tenant: Tenant) -> bool:
    """Whether suggestions for links are being worked out (again)."""
    matching = matching_of(tenant)
    return matching is not None and matching.state != "done"


def moves_of(integration: Integration) -> QuerySet[LinkMatching]:
    """The moves that were asked for from or to an account, the newest first."""
    rows = all_moves(integration.tenant)
    return rows.filter(Q(source=integration) | Q(target=integration))


def all_moves(tenant: Tenant) -> QuerySet[LinkMatching]:
    """The moves that were asked for, the newest first."""
    rows = LinkMatching.objects.for_tenant(tenant).filter(kind=SuggestionKind.MOVE)
    return rows.select_related("source", "target").order_by("-id")
