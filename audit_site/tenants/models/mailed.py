"""Rows of which an e-mail is sent by a worker."""

from __future__ import annotations

from typing import Any, Final

from django.db import models

from audit_site.tenants.models.tenants import TenantOwned

#: What a row holds whose e-mail is to be sent as if it had never been tried.
NEVER_TRIED: Final[dict[str, Any]] = {
    "sent_at": None,
    "mail_refused": "",
    "mail_tries": 0,
    "mail_next_at": None,
}


class Mailed(TenantOwned):
    """A row that waits for its e-mail to be sent (`audit_site.tenants.waiting_mails`)."""

    #: When the e-mail was given to the mail server; None = it waits to be sent.
    sent_at = models.DateTimeField(null=True, blank=True)
    #: The codes of a mail server that will never take this e-mail, such as "550 5.1.1".
    mail_refused = models.CharField(max_length=20, blank=True, default="")
    #: How often this e-mail was put off for a reason of its own.
    mail_tries = models.PositiveSmallIntegerField(default=0)
    #: When it may be tried again; None = it was never tried.
    mail_next_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
