"""Settings that work, and are wrong for a site that people reach."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Tags, run_checks

from audit_site.doctor.findings import Finding, failing, ok, warning

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
#: The key that DEBUG stands in for a missing one, and what Django's own projects begin with.
KNOWN_KEYS: Final = ("development-only-key-", "django-insecure-")
LEAST_KEY_LENGTH: Final = 50
LEAST_DIFFERENT: Final = 10
#: What checks of our own say in words of the product.
SAID_ALREADY: Final = frozenset({"security.W009", "security.W018", "security.W020"})


def is_local() -> bool:
    """Whether this site can be reached from its own machine alone."""
    return (urlsplit(settings.PUBLIC_URL).hostname or "") in LOOPBACK


def debug() -> Finding:
    if not settings.DEBUG:
        return ok("DEBUG is off.")
    said = "DEBUG is on: pages of errors show the code and the settings to everybody."
    mend = "Set DEBUG=0 and start the processes again."
    return warning(said, mend) if is_local() else failing(said, mend)


def secret_key() -> Finding:
    key: str = settings.SECRET_KEY
    is_weak = len(key) < LEAST_KEY_LENGTH or len(set(key)) < LEAST_DIFFERENT
    if key.startswith(KNOWN_KEYS) or is_weak:
        return failing(
            "SECRET_KEY can be guessed: links in mails and signed cookies can be forged.",
            "Set SECRET_KEY to 50 random characters and start the processes again; links in mails "
            "that are under way no longer open.",
        )
    return ok("SECRET_KEY is long and random.")


def public_url() -> Finding:
    if settings.IS_HTTPS or is_local():
        return ok(f"PUBLIC_URL is {settings.PUBLIC_URL}.")
    return failing(
        f"PUBLIC_URL is {settings.PUBLIC_URL}: passwords, sessions and the keys of PSAs travel "
        "readable.",
        "Let a proxy end TLS in front, and set PUBLIC_URL to its https address.",
    )


def allowed_hosts() -> Finding:
    wide = [host for host in settings.ALLOWED_HOSTS if host == "*" or host.startswith(".")]
    if wide:
        return failing(
            f"ALLOWED_HOSTS has {', '.join(wide)}: requests are answered by names that are not "
            "this site's.",
            "Leave ALLOWED_HOSTS out, so that it is the host of PUBLIC_URL alone, or name each.",
        )
    return ok("Requests are answered by the site's own names alone.")


def private_psas() -> Finding:
    if settings.PSA_ALLOW_PRIVATE_HOSTS and not is_local():
        return failing(
            "PSA_ALLOW_PRIVATE_HOSTS is on: people can have this product ask servers of your own "
            "network.",
            "Set PSA_ALLOW_PRIVATE_HOSTS=0; it is meant for sandboxes.",
        )
    return ok("Addresses of PSAs must be public ones, or this is one machine alone.")


def deployment() -> Finding:
    """Django's own list for sites that people reach (`check --deploy`)."""
    if is_local():
        return ok("Django's list for public sites is not asked: this is one machine alone.")
    told = [
        f"{message.id}: {str(message.msg).split('.')[0]}"
        for message in run_checks(tags=[Tags.security], include_deployment_checks=True)
        if message.id not in SAID_ALREADY
    ]
    if told:
        return warning(
            f"Django's list for public sites names {'; '.join(told)}.",
            "Run `python manage.py check --deploy`, which explains each.",
        )
    return ok("Django's list for public sites names nothing.")
