"""Outages: what stops a PSA from being read, and what admins have been told of it."""

from __future__ import annotations

from typing import Final

from django.db.models import F, Q, QuerySet

from audit_site.queue import enqueue
from integrations.issues.inbox import KIND_INTEGRATION
from integrations.models import Integration, Issue
from integrations.psa.errors import KEY_MISSING, KEYS, OUTAGES

TASK: Final = "integrations.tell_admins"
BEGAN, ENDED = "began", "ended"
#: What a PSA does while an outage lasts, by code ("… since 14:05" follows).
OUTAGE_WORDS: Final[dict[str, str]] = {
    "psa_unavailable": "has not been reachable",
    "timeout": "has not been reachable",
    "connection_refused": "has not been reachable",
    "dns_failure": "has not been reachable",
    "blocked_address": "has not been reachable",
    "tls_error": "has not been reachable safely",
    "rate_limited": "has been asking us to wait",
    "bad_response": "has not given answers that we can read",
    "not_a_psa_server": "has not given answers that we can read",
    KEY_MISSING: "has not been read for want of the key that protects its stored keys",
}
#: Codes of the issues that admins hear of by e-mail and see on every page.
CODES: Final = OUTAGES | KEYS


def outage_issues(integration: Integration) -> QuerySet[Issue]:
    """All issues about an outage of an integration, also those that are over."""
    return Issue.objects.of(integration).filter(kind=KIND_INTEGRATION, code__in=CODES)


#: Open, not dismissed, and no e-mail was sent about it.
UNANNOUNCED: Final = Q(closed_at=None, dismissed_at=None, told_at=None)
#: Over after an e-mail said that it began, and no e-mail has said that it ended.
END_UNANNOUNCED: Final = Q(closed_at__isnull=False, told_at__lte=F("closed_at"))


def notify_began(integration: Integration) -> None:
    """Queue the e-mail to the admins that an outage has begun, unless it was sent.

    Call it after `raise_issues`. Calling it after every failed run does no harm, and makes up for
    a message that got lost.
    """
    if outage_issues(integration).filter(UNANNOUNCED).exists():
        enqueue(TASK, str(integration.tenant_id), str(integration.pk), BEGAN)


def notify_ended(integration: Integration) -> None:
    """Queue the e-mail to the admins that an outage is over, if one said that it began.

    Call it after `close_issues`. Calling it after every good run does no harm.
    """
    if outage_issues(integration).filter(END_UNANNOUNCED).exists():
        enqueue(TASK, str(integration.tenant_id), str(integration.pk), ENDED)
