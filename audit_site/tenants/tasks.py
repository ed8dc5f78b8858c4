"""Background work around sign-in. May run as often as one likes."""

from __future__ import annotations

from importlib import import_module

from celery import shared_task
from django.conf import settings

from audit_site.tenants.own_address import forget_address_changes
from audit_site.tenants.tries import forget_tries


@shared_task(name="tenants.clear_sessions")
def clear_sessions() -> None:
    """Delete what has run out of sessions, counted tries and address changes."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    forget_tries()
    forget_address_changes()
