"""Connections as pages and REST show them: with their newest work and what waits in them.

It lies with the import list because that knows what is new in a PSA.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from audit_site.db.counting import CappedCount
from audit_site.tenants.models import Tenant, User
from integrations.connecting.credentials import SavedSecret, saved_secrets
from integrations.connecting.health import Health, health_of, open_causes
from integrations.connecting.selectors import LatestWork, last_successes, latest_work
from integrations.importing.list_counts import ListCounts, list_counts
from integrations.importing.selectors import new_company_counts
from integrations.issues.selectors import open_issues_of
from integrations.models import Integration


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """One integration as one person sees it.

    `new_companies`: how many came since this person looked at its import list, None = they never
    did. `open_issues` wait for a person.
    """

    integration: Integration
    latest: LatestWork
    new_companies: CappedCount | None
    open_issues: int
    health: Health
    companies: ListCounts


@dataclass(frozen=True, slots=True)
class ConnectionCard(ConnectionRow):
    """With what was saved when, and when a run over everything last ended well (None = never)."""

    last_success_at: datetime | None
    secrets: Mapping[str, SavedSecret]


def connection_rows(
    tenant: Tenant,
    user: User,
    integrations: Sequence[Integration],
    latest: Mapping[UUID, LatestWork] | None = None,
) -> list[ConnectionRow]:
    """Each integration of a tenant, in their order. Nine statements at the most, three fewer where
    their `latest` work is known.
    """
    latest = latest or latest_work(tenant, integrations)
    arrived = new_company_counts(tenant, user, integrations)
    waiting = open_issues_of(tenant, integrations)
    causes = open_causes(tenant, integrations)
    counts = list_counts(tenant, integrations)
    return [
        ConnectionRow(
            integration,
            latest[integration.pk],
            arrived.get(integration.pk),
            waiting.get(integration.pk, 0),
            health_of(integration, latest[integration.pk], causes.get(integration.pk, ())),
            counts[integration.pk],
        )
        for integration in integrations
    ]


def connection_cards(
    tenant: Tenant, user: User, integrations: Sequence[Integration]
) -> list[ConnectionCard]:
    """As `connection_rows`, with two statements more."""
    successes = last_successes(tenant, integrations)
    secrets = saved_secrets(integrations)
    return [
        ConnectionCard(
            row.integration,
            row.latest,
            row.new_companies,
            row.open_issues,
            row.health,
            row.companies,
            successes.get(row.integration.pk),
            secrets[row.integration.pk],
        )
        for row in connection_rows(tenant, user, integrations)
    ]


def connection_row(
    integration: Integration, user: User, latest: LatestWork | None = None
) -> ConnectionRow:
    known = {integration.pk: latest} if latest else None
    return connection_rows(integration.tenant, user, [integration], known)[0]


def connection_card(integration: Integration, user: User) -> ConnectionCard:
    return connection_cards(integration.tenant, user, [integration])[0]
