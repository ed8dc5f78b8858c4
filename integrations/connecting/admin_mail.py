"""E-mails to the admins of a tenant about one of its connections, with its health right now."""

from __future__ import annotations

import logging
from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse

from audit_site.tenants.mails import MailNotSent, MailRefused, one_line, send, subject_of
from audit_site.tenants.models import Tenant
from audit_site.tenants.selectors import admins_of
from integrations.connecting.health import health_now
from integrations.connecting.selectors import latest_of
from integrations.models import Integration

log = logging.getLogger(__name__)


def recipients_of(integration: Integration) -> list[str]:
    return [admin.email for admin in admins_of(integration.tenant)]


def send_to_admins(
    integration: Integration, recipients: list[str], subject: str, template: str, **words: object
) -> None:
    """One message to all: the mail server takes it for everybody or for nobody.

    Raises MailNotSent when it may take it later. What it will never take is given up with a line in
    the log: trying for ever would change nothing.
    """
    context = {
        "name": one_line(integration.name),
        "tenant": integration.tenant,
        "integration": integration,
        "health": health_now(integration, latest_of(integration)),
        "address": settings.PUBLIC_URL + reverse("integrations:settings", args=[integration.pk]),
        **words,
    }
    body = render_to_string(f"integrations/mail/{template}.txt", context)
    try:
        send(EmailMessage(subject_of(subject), body, to=recipients))
    except MailRefused as refusal:
        log.warning("mail_refused integration=%s answer=%s", integration.pk, refusal)
        if not refusal.is_final:
            raise
    except MailNotSent as trouble:
        log.warning("mail_not_sent integration=%s error=%s", integration.pk, trouble)
        raise


def in_words(moment: datetime, tenant: Tenant) -> str:
    return f"{moment.astimezone(tenant.zone):%a %d %b %Y, %H:%M} ({tenant.timezone})"
