"""Background work around sign-in, which may run at any time, and where a task's acts come from."""

from __future__ import annotations

from importlib import import_module

from celery import shared_task
from celery.signals import task_postrun, task_prerun
from django.conf import settings

from audit_site.tenants import origin

task_prerun.connect(origin.begin_task)
task_postrun.connect(origin.end_task)


@shared_task(name="tenants.clear_sessions")
def clear_sessions() -> None:
    """Delete sessions that have run out; a browser that never comes back ends none."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
