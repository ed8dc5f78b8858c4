"""What every page says while a PSA can not be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Case, Value, When
from django.utils import timezone

from audit_site.tenants.models import Tenant
from integrations.issues.inbox import KIND_INTEGRATION
from integrations.issues.moments import clock_words
from integrations.issues.outages import CODES, OUTAGE_WORDS
from integrations.models import Integration, Issue
from integrations.psa.errors import KEY_MISSING, KEYS
from integrations.runs.schedule import next_at

MOST_BANNERS: Final = 3


@dataclass(frozen=True, slots=True)
class Banner:
    """What a page says of an integration that can't be used now."""

    integration_id: UUID
    text: str
    needs_keys: bool


def banners(tenant: Tenant) -> list[Banner]:
    """What pages of a tenant say while an outage lasts that nobody dismissed, keys first.

    One query; one banner for each integration, `MOST_BANNERS` of them.
    """
    keys_first = Case(When(code__in=KEYS, then=Value(0)), default=Value(1))
    rows = (
        Issue.objects.for_tenant(tenant)
        .filter(kind=KIND_INTEGRATION, code__in=CODES, closed_at=None, dismissed_at=None)
        .exclude(integration__status=Integration.Status.DISCONNECTED)
        .select_related("integration")
        .order_by(keys_first, "id")
    )
    found: dict[UUID, Banner] = {}
    for issue in rows[: MOST_BANNERS * len(CODES)]:
        issue.integration.tenant = tenant
        found.setdefault(issue.integration_id, _banner(issue))
    return list(found.values())[:MOST_BANNERS]


def _banner(issue: Issue) -> Banner:
    integration = issue.integration
    if issue.code in KEYS:
        text = f"{integration.name} no longer accepts the keys. An admin needs to replace them."
        return Banner(integration.pk, text, needs_keys=True)
    upcoming, now = next_at(integration), timezone.now()
    if integration.is_paused:
        follows = "it is paused, and tried again when somebody resumes it."
        if integration.on_pause_until:
            follows = "it is paused, and tried again when the pause is over."
    elif issue.code == KEY_MISSING:
        follows = "it goes on by itself once that key is back."
    elif upcoming is None:
        follows = "it is not tried again by itself."
    elif upcoming <= now:
        follows = "it is being tried again now."
    else:
        follows = f"the next try is {clock_words(upcoming, integration.tenant, 'at', 'on')}."
    text = (
        f"{integration.name} {OUTAGE_WORDS[issue.code]} since "
        f"{clock_words(issue.first_seen_at, integration.tenant)}. "
        f"Your data stays as it was; {follows}"
    )
    return Banner(integration.pk, text, needs_keys=False)
