"""Connections as pages and REST show them: with their newest work and what waits in them.

It lies with the import list because that knows what is new in a PSA.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

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
class ConnectionCard:
    """One integration as one person sees it.

    `new_companies`: how many came since this person looked at its import list, None = they never
    did. `open_issues` wait for a person. `last_success_at`: when a run over everything last ended
    well, None = never.
    """

    integration: Integration
    latest: LatestWork
    new_companies: CappedCount | None
    open_issues: int
    health: Health
    last_success_at: datetime | None
    companies: ListCounts
    secrets: Mapping[str, SavedSecret]


def connection_cards(
    tenant: Tenant, user: User, integrations: Sequence[Integration]
) -> list[ConnectionCard]:
    """A card for each integration of a tenant, in their order. Eleven statements at the most."""
    latest = latest_work(tenant, integrations)
    arrived = new_company_counts(tenant, user, integrations)
    waiting = open_issues_of(tenant, integrations)
    causes = open_causes(tenant, integrations)
    successes = last_successes(tenant, integrations)
    counts = list_counts(tenant, integrations)
    secrets = saved_secrets(integrations)
    return [
        ConnectionCard(
            integration,
            latest[integration.pk],
            arrived.get(integration.pk),
            waiting.get(integration.pk, 0),
            health_of(integration, latest[integration.pk], causes.get(integration.pk, ())),
            successes.get(integration.pk),
            counts[integration.pk],
            secrets[integration.pk],
        )
        for integration in integrations
    ]


def connection_card(integration: Integration, user: User) -> ConnectionCard:
    return connection_cards(integration.tenant, user, [integration])[0]
