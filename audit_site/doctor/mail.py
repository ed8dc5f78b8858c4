"""The server that takes mails: asked to let us in, and given none."""

from __future__ import annotations

import smtplib
from contextlib import closing
from typing import Final

from django.conf import settings
from django.core.mail import get_connection

from audit_site.doctor.findings import Finding, failing, ok, warning
from audit_site.doctor.settings_checks import LOOPBACK, is_local

SMTP: Final = "django.core.mail.backends.smtp.EmailBackend"


def mail() -> Finding:
    """Whether mails leave: invitations, links for passwords, news of a PSA that can't be read."""
    if settings.EMAIL_BACKEND != SMTP:
        return _written_to_the_log()
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    connection = get_connection()
    try:
        with closing(connection):
            connection.open()
    except smtplib.SMTPAuthenticationError:
        return failing(
            f"The mail server {server} refuses the sign-in.",
            "Correct EMAIL_HOST_USER and EMAIL_HOST_PASSWORD.",
        )
    except (OSError, smtplib.SMTPException) as error:
        return failing(
            f"The mail server {server} can't be used ({type(error).__name__}).",
            "Correct EMAIL_HOST, EMAIL_PORT and EMAIL_USE_TLS, or let this machine reach it.",
        )
    return _encrypted(server)


def _written_to_the_log() -> Finding:
    if is_local():
        return ok("Mails are written to the log: this is one machine alone.")
    return warning(
        "No mail leaves: invitations and links for passwords are written to the log.",
        "Set EMAIL_HOST and the settings beside it in .env.example.",
    )


def _encrypted(server: str) -> Finding:
    encrypts = settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL
    if not encrypts and settings.EMAIL_HOST not in LOOPBACK:
        return warning(
            f"Mails go to {server} readable, with the links that are in them.",
            "Set EMAIL_USE_TLS=1, or use a server that encrypts.",
        )
    return ok(f"The mail server {server} lets this product in.")
