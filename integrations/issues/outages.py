"""Outages: what stops a PSA from being read, and the e-mails that say so."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import Final

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from audit_site.queue import enqueue
from audit_site.tenants.models import Tenant
from audit_site.tenants.selectors import admins_of
from integrations.issues.inbox import KIND_INTEGRATION
from integrations.models import Integration, Issue, lock_integration
from integrations.psa.errors import KEYS, OUTAGES
from integrations.runs.schedule import next_at

log = logging.getLogger(__name__)
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
}
#: Codes of the issues that admins hear of by e-mail and see on every page.
CODES: Final = OUTAGES | KEYS
#: An issue that opens this soon after another one closed is the same outage by another name.
HANDOVER: Final = timedelta(minutes=10)
MOST_SUBJECT_LENGTH: Final = 200


class MailNotSent(Exception):
    """The mail server did not take the e-mail: try again later. Holds no address and no answer."""


def _issues(integration: Integration) -> QuerySet[Issue]:
    return Issue.objects.filter(
        tenant=integration.tenant_id, integration=integration, kind=KIND_INTEGRATION, code__in=CODES
    )


#: Open, not dismissed, and no e-mail was sent about it.
UNANNOUNCED: Final = Q(closed_at=None, dismissed_at=None, told_at=None)
#: Over after an e-mail said that it began, and no e-mail has said that it ended.
END_UNANNOUNCED: Final = Q(closed_at__isnull=False, told_at__lte=F("closed_at"))


def notify_began(integration: Integration) -> None:
    """Queue the e-mail to the admins that an outage has begun, unless it was sent.

    Call it after `raise_issues`. Calling it after every failed run does no harm, and makes up for
    a message that got lost.
    """
    if _issues(integration).filter(UNANNOUNCED).exists():
        enqueue(TASK, str(integration.tenant_id), str(integration.pk), BEGAN)


def notify_ended(integration: Integration) -> None:
    """Queue the e-mail to the admins that an outage is over, if one said that it began.

    Call it after `close_issues`. Calling it after every good run does no harm.
    """
    if _issues(integration).filter(END_UNANNOUNCED).exists():
        enqueue(TASK, str(integration.tenant_id), str(integration.pk), ENDED)


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


def notify_admins(*, tenant_id: str, integration_id: str, what: str) -> None:
    """Send the e-mail that something has `began` or `ended`, if it is still true and new.

    Raises MailNotSent when the mail server does not take it; the claim is given back then. A worker
    that dies in between has sent it once or never.
    """
    rows = Integration.objects.filter(tenant_id=tenant_id, pk=integration_id).not_disconnected()
    integration = rows.select_related("tenant").first()
    if integration is None:
        return
    recipients = [admin.email for admin in admins_of(integration.tenant)]
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
    return _issues(integration).filter(pk__in=[issue.pk for issue in issues])


@transaction.atomic
def _claim_beginning(integration: Integration) -> Claim | None:
    """Mark what no e-mail was sent about; None when that is nothing, or goes on from another."""
    lock_integration(integration)  # an outage may have more than one issue
    keys_first = Case(When(code__in=KEYS, then=Value(0)), default=Value(1))
    new = list(_issues(integration).filter(UNANNOUNCED).order_by(keys_first, "id"))
    if not new:
        return None
    now = timezone.now()
    first = min(issue.first_seen_at for issue in new)
    goes_on = END_UNANNOUNCED & Q(closed_at__gte=first - HANDOVER)
    known = _issues(integration).filter(Q(closed_at=None, told_at__isnull=False) | goes_on)
    if new[0].code in KEYS:
        known = known.filter(code__in=KEYS)  # an outage asked nobody for keys
    is_known = known.exists()
    claimed = _marked(integration, new).filter(UNANNOUNCED).update(told_at=now)
    return Claim(new, now) if claimed and not is_known else None


@transaction.atomic
def _claim_end(integration: Integration) -> Claim | None:
    """Mark what ended since the e-mail about it; None while something else is still wrong."""
    lock_integration(integration)  # an outage may have more than one issue
    if _issues(integration).filter(closed_at=None).exists():
        return None
    ended = list(_issues(integration).filter(END_UNANNOUNCED).order_by("id"))
    if not ended:
        return None
    now = max(timezone.now(), *(_closed(issue) + timedelta(microseconds=1) for issue in ended))
    claimed = _marked(integration, ended).filter(END_UNANNOUNCED).update(told_at=now)
    return Claim(ended, now) if claimed else None


def _closed(issue: Issue) -> datetime:
    return issue.closed_at or issue.last_seen_at


def _send_beginning(integration: Integration, claim: Claim, recipients: list[str]) -> None:
    issue = claim.issues[0]
    name = _one_line(integration.name)
    needs_keys = issue.code in KEYS
    subject = f"{name} no longer accepts the keys" if needs_keys else f"{name} can't be read"
    _send(integration, claim, recipients, subject, "began", issue=issue, needs_keys=needs_keys)


def _send_end(integration: Integration, claim: Claim, recipients: list[str]) -> None:
    subject = f"{_one_line(integration.name)} works again"
    ended = max(_closed(issue) for issue in claim.issues)
    _send(
        integration, claim, recipients, subject, "ended", until=_in_words(ended, integration.tenant)
    )


def _send(
    integration: Integration,
    claim: Claim,
    recipients: list[str],
    subject: str,
    template: str,
    **words: object,
) -> None:
    """One message to all: the mail server takes it for everybody or for nobody."""
    tenant = integration.tenant
    upcoming = next_at(integration)
    context = {
        "name": _one_line(integration.name),
        "tenant": tenant,
        "integration": integration,
        "since": _in_words(claim.since, tenant),
        "does": OUTAGE_WORDS.get(claim.issues[0].code, ""),
        "next_at": _in_words(max(upcoming, timezone.now()), tenant) if upcoming else "",
        "address": settings.PUBLIC_URL + reverse("integrations:settings", args=[integration.pk]),
        **words,
    }
    body = render_to_string(f"integrations/mail/{template}.txt", context)
    try:
        send_mail(f"[audIT] {subject}"[:MOST_SUBJECT_LENGTH], body, None, recipients)
    except (SMTPException, OSError) as error:
        cause = type(error).__name__
        log.warning("mail_not_sent integration=%s error=%s", integration.pk, cause)
        raise MailNotSent(cause) from None


def _one_line(text: str) -> str:
    """A name for a subject: a line break in it would end the header."""
    return " ".join(text.split())


def _in_words(moment: datetime, tenant: Tenant) -> str:
    return f"{moment.astimezone(tenant.zone):%a %d %b %Y, %H:%M} ({tenant.timezone})"
