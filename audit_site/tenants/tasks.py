"""Background work around people and sign-in. May run as often as one likes."""

from __future__ import annotations

from importlib import import_module

from celery import shared_task
from django.conf import settings

from audit_site.tenants import invitation_mails


@shared_task(name="tenants.clear_sessions")
def clear_sessions() -> None:
    """Delete sessions that have run out; a browser that never comes back ends none."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()


@shared_task(name="tenants.send_invitations")
def send_invitations() -> None:
    invitation_mails.send_waiting_invitations()
