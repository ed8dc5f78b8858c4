"""The e-mails of invitations: each has a link that is made as it is sent, and kept as a hash."""

from __future__ import annotations

import logging
import secrets
from smtplib import SMTPException
from typing import Final

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from audit_site.db import walls
from audit_site.tenants.invitations import hash_link
from audit_site.tenants.mails import one_line, subject_of
from audit_site.tenants.models import VALID_FOR, Invitation

log = logging.getLogger(__name__)
#: What is sent at once; the rest follows at the next stroke of the clock.
MOST_AT_ONCE: Final = 50
#: No mail shows more of a name that somebody typed.
LONGEST_NAME: Final = 80


def send_waiting_invitations() -> None:
    """Send what waits. May run at any time, twice as well.

    The plain link is in the e-mail alone: no message of the queue, no row and no log line holds it.
    """
    waiting = Invitation.objects.waiting_for_mail()
    first = walls.first_by_tenant(waiting.order_by("id"), "send_invitations", MOST_AT_ONCE)
    for tenant_id, pks in first.items():
        with walls.within(tenant_id):
            rows = waiting.filter(tenant=tenant_id, pk__in=pks).order_by("id")
            if not _send_all(rows.select_related("tenant", "invited_by")):
                return  # the mail server is away: the others would wait for it one by one


def _send_all(waiting: QuerySet[Invitation]) -> bool:
    """Send a tenant's invitations; False when the mail server is away."""
    for invitation in waiting:
        token = secrets.token_urlsafe(32)
        if not _claim(invitation, token):
            continue
        try:
            _send(invitation, token)
        except (SMTPException, OSError) as error:
            cause = type(error).__name__
            log.warning("mail_not_sent invitation=%s error=%s", invitation.pk, cause)
            mine = Invitation.objects.for_tenant(invitation.tenant).filter(pk=invitation.pk)
            mine.filter(token_hash=hash_link(token)).update(sent_at=None)
            return False
    return True


def _claim(invitation: Invitation, token: str) -> bool:
    """Give an invitation its link, unless another worker does so or it was withdrawn."""
    now = timezone.now()
    rows = Invitation.objects.for_tenant(invitation.tenant).filter(pk=invitation.pk)
    changed = rows.waiting_for_mail().update(
        token_hash=hash_link(token), sent_at=now, expires_at=now + VALID_FOR
    )
    return bool(changed)


def _send(invitation: Invitation, token: str) -> None:
    tenant = one_line(invitation.tenant.name)[:LONGEST_NAME]
    by = invitation.invited_by
    context = {
        "tenant": tenant,
        "by": one_line(str(by))[:LONGEST_NAME] if by else "",
        "role": invitation.get_role_display().lower(),
        "email": invitation.email,
        "link": settings.PUBLIC_URL + reverse("account:invitation", args=[token]),
        "days": VALID_FOR.days,
        "help_email": settings.HELP_EMAIL,
    }
    body = render_to_string("account/mail/invitation.txt", context)
    send_mail(subject_of(f"You are invited to {tenant}"), body, None, [invitation.email])
