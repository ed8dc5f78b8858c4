"""Texts that change whenever a figure does, for clients that keep answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import FilteredRelation, Q, QuerySet

from agreements.mrr.edition import EDITION
from agreements.stored_mrr import State, settled_state
from audit_site.db.statements import RowStatement, asked_id
from audit_site.tenants.models import Tenant
from companies.models import Company


class CompanyState(NamedTuple):
    """What the figures of a company rest on; its book and its link are None where there is none."""

    updated_at: datetime
    book_version: int | None
    link_id: UUID | None
    integration: UUID | None
    last_synced_at: datetime | None


def _state() -> QuerySet[Company, Any]:
    rows = Company.objects.filter(tenant=asked_id(0), pk=asked_id(1)).annotate(
        tie=FilteredRelation("links", condition=Q(links__unlinked_at=None))
    )
    link = ("tie__id", "tie__integration_id", "tie__last_synced_at")
    return rows.values_list("updated_at", "book__version", *link)


STATE: Final = RowStatement(CompanyState, _state)


def company_etag(tenant: Tenant, company_id: UUID) -> str | None:
    """A text that changes whenever a company's figures do; one query, nothing computed.

    None: the tenant has no such company.
    """
    state = STATE.first(tenant.pk, company_id)
    return None if state is None else _etag(tenant, company_id, *state)


def tenant_etag(tenant: Tenant, *parts: object, state: State | None = None) -> str:
    """A text that changes whenever the tenant's figures do; one query where nothing has changed.

    `state`: as it has just been read, and then no query.
    """
    return _etag(tenant, (state or settled_state(tenant)).text, *parts)


def _etag(tenant: Tenant, *parts: object) -> str:
    shown = (EDITION, tenant.pk, tenant.currency, tenant.today(), *parts)
    return ":".join(map(str, shown))
