"""The two e-mails about an outage: that it began, and that it is over. Worker only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.utils import timezone

from audit_site.db import walls
from audit_site.tenants.mails import one_line
from integrations.connecting.admin_mail import in_words, recipients_of, send_to_admins
from integrations.issues.outages import (
    BEGAN,
    END_UNANNOUNCED,
    OUTAGE_WORDS,
    UNANNOUNCED,
    outage_issues,
)
from integrations.models import Integration, Issue, lock_integration
from integrations.psa.errors import KEYS
from integrations.runs.schedule import next_at

#: An issue that opens this soon after another one closed is the same outage by another name.
HANDOVER: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send one e-mail: the issues it is about, marked (`told_at`) as `at`."""

    issues: list[Issue]
    at: datetime

    @property
    def since(self) -> datetime:
        """When what the first one is about began."""
        asks_keys = self.issues[0].code in KEYS
        alike = [issue for issue in self.issues if (issue.code in KEYS) == asks_keys]
        return min(issue.first_seen_at for issue in alike)


@walls.of_tenant
def notify_admins(*, tenant_id: str, integration_id: str, what: str) -> None:
    """Send the e-mail that something has `began` or `ended`, if it is still true and new.

    Raises MailNotSent when the mail server does not take it; the claim is given back then. A worker
    that dies in between has sent it once or never.
    """
    rows = Integration.objects.filter(tenant_id=tenant_id, pk=integration_id).not_disconnected()
    integration = rows.select_related("tenant").first()
    if integration is None:
        return
    recipients = recipients_of(integration)
    began = what == BEGAN
    claim = (_claim_beginning if began else _claim_end)(integration) if recipients else None
    if claim is None:
        return
    try:
        (_send_beginning if began else _send_end)(integration, claim, recipients)
    except Exception:
        marked_before = None if began else F("closed_at")
        _marked(integration, claim.issues).filter(told_at=claim.at).update(told_at=marked_before)
        raise


def _marked(integration: Integration, issues: Iterable[Issue]) -> QuerySet[Issue]:
    return outage_issues(integration).filter(pk__in=[issue.pk for issue in issues])


@transaction.atomic
def _claim_beginning(integration: Integration) -> Claim | None:
    """Mark what no e-mail was sent about; None when that is nothing, or goes on from another."""
    lock_integration(integration)  # an outage may have more than one issue
    keys_first = Case(When(code__in=KEYS, then=Value(0)), default=Value(1))
    new = list(outage_issues(integration).filter(UNANNOUNCED).order_by(keys_first, "id"))
    if not new:
        return None
    now = timezone.now()
    first = min(issue.first_seen_at for issue in new)
    goes_on = END_UNANNOUNCED & Q(closed_at__gte=first - HANDOVER)
    known = outage_issues(integration).filter(Q(closed_at=None, told_at__isnull=False) | goes_on)
    if new[0].code in KEYS:
        known = known.filter(code__in=KEYS)  # an outage asked nobody for keys
    is_known = known.exists()
    claimed = _marked(integration, new).filter(UNANNOUNCED).update(told_at=now)
    return Claim(new, now) if claimed and not is_known else None


@transaction.atomic
def _claim_end(integration: Integration) -> Claim | None:
    """Mark what ended since the e-mail about it; None while something else is still wrong."""
    lock_integration(integration)  # an outage may have more than one issue
    if outage_issues(integration).filter(closed_at=None).exists():
        return None
    ended = list(outage_issues(integration).filter(END_UNANNOUNCED).order_by("id"))
    if not ended:
        return None
    now = max(timezone.now(), *(_closed(issue) + timedelta(microseconds=1) for issue in ended))
    claimed = _marked(integration, ended).filter(END_UNANNOUNCED).update(told_at=now)
    return Claim(ended, now) if claimed else None


def _closed(issue: Issue) -> datetime:
    return issue.closed_at or issue.last_seen_at


def _send_beginning(integration: Integration, claim: Claim, recipients: list[str]) -> None:
    issue = claim.issues[0]
    name = one_line(integration.name)
    needs_keys = issue.code in KEYS
    subject = f"{name} no longer accepts the keys" if needs_keys else f"{name} can't be read"
    _send(integration, claim, recipients, subject, "began", issue=issue, needs_keys=needs_keys)


def _send_end(integration: Integration, claim: Claim, recipients: list[str]) -> None:
    subject = f"{one_line(integration.name)} works again"
    ended = max(_closed(issue) for issue in claim.issues)
    _send(
        integration, claim, recipients, subject, "ended", until=in_words(ended, integration.tenant)
    )


def _send(
    integration: Integration,
    claim: Claim,
    recipients: list[str],
    subject: str,
    template: str,
    **words: object,
) -> None:
    tenant, upcoming = integration.tenant, next_at(integration)
    send_to_admins(
        integration,
        recipients,
        subject,
        template,
        since=in_words(claim.since, tenant),
        does=OUTAGE_WORDS.get(claim.issues[0].code, ""),
        next_at=in_words(max(upcoming, timezone.now()), tenant) if upcoming else "",
        **words,
    )
