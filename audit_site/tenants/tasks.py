"""Background work around people and sign-in, which may run at any time; where acts come from."""

from __future__ import annotations

from importlib import import_module

from celery import shared_task
from celery.signals import task_postrun, task_prerun
from django.conf import settings
from django.utils import timezone

from audit_site.db.slices import delete_in_slices
from audit_site.tenants import change_marks, invitation_mails, origin
from audit_site.tenants.models import SharedCacheEntry

task_prerun.connect(origin.begin_task)
task_postrun.connect(origin.end_task)


@shared_task(name="tenants.clear_sessions")
def clear_sessions() -> None:
    """Delete sessions that have run out; a browser that never comes back ends none."""
    model = import_module(settings.SESSION_ENGINE).SessionStore.get_model_class()
    delete_in_slices(model.objects.filter(expire_date__lt=timezone.now()))


@shared_task(name="tenants.send_invitations")
def send_invitations() -> None:
    invitation_mails.send_waiting_invitations()


@shared_task(name="tenants.sum_up_marks")
def sum_up_marks() -> None:
    change_marks.sum_up_marks()


def forget_cache() -> None:
    """Delete what has run out of the cache that stands in the database where there is no Redis."""
    delete_in_slices(SharedCacheEntry.objects.filter(expires__lt=timezone.now()))
