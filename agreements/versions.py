"""Texts that change whenever a figure does, for clients that keep answers."""

from __future__ import annotations

from agreements.models import CompanyBook
from agreements.mrr.edition import EDITION
from agreements.stored_mrr import State, settled_state
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.importing.linking import link_of


def company_etag(company: Company, *parts: object) -> str:
    """A text that changes whenever a company's figures do; one query, nothing computed."""
    book = CompanyBook.objects.for_tenant(company.tenant).filter(company=company).first()
    link = link_of(company)
    source = (link.pk, link.integration_id, link.last_synced_at) if link else ()
    version = book.version if book else 0
    return _etag(company.tenant, version, company.updated_at, *source, *parts)


def tenant_etag(tenant: Tenant, *parts: object, state: State | None = None) -> str:
    """A text that changes whenever the tenant's figures do; one query where nothing has changed.

    `state`: as it has just been read, and then no query.
    """
    return _etag(tenant, (state or settled_state(tenant)).text, *parts)


def _etag(tenant: Tenant, *parts: object) -> str:
    shown = (EDITION, tenant.pk, tenant.currency, tenant.today(), *parts)
    return ":".join(map(str, shown))
