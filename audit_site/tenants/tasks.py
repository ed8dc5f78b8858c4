"""Background work around sign-in. May run as often as one likes."""

from __future__ import annotations

from importlib import import_module

from celery import shared_task
from django.conf import settings


@shared_task(name="tenants.clear_sessions")
def clear_sessions() -> None:
    """Delete sessions that have run out; a browser that never comes back ends none."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
