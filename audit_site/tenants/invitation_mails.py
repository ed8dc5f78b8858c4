"""The e-mails of invitations: each has a link that is made as it is sent, and kept as a hash."""

from __future__ import annotations

import secrets
from typing import Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from audit_site.tenants.invitations import hash_link
from audit_site.tenants.mails import one_line, subject_of
from audit_site.tenants.models import VALID_FOR, Invitation
from audit_site.tenants.waiting_mails import Letter, send_waiting

#: What is sent at once; the rest follows at the next stroke of the clock.
MOST_AT_ONCE: Final = 50
#: No mail shows more of a name that somebody typed.
LONGEST_NAME: Final = 80


def send_waiting_invitations() -> None:
    """Send what waits. May run at any time, twice as well.

    The plain link is in the e-mail alone: no message of the queue, no row and no log line holds it.
    """
    send_waiting(
        Invitation.objects.waiting_for_mail(),
        _letter,
        name="invitation",
        reason="send_invitations",
        related=("tenant", "invited_by"),
        most_at_once=MOST_AT_ONCE,
    )


def _letter(invitation: Invitation) -> Letter:
    """The seven days count from when the mail server took the e-mail."""
    token = secrets.token_urlsafe(32)
    return Letter(
        make=lambda: _mail(invitation, token),
        claimed={"token_hash": hash_link(token)},
        sent={"expires_at": timezone.now() + VALID_FOR},
    )


def _mail(invitation: Invitation, token: str) -> EmailMessage:
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
    return EmailMessage(subject_of(f"You are invited to {tenant}"), body, to=[invitation.email])
