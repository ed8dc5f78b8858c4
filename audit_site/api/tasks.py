"""Background work of the REST API. May run as often as one likes."""

from __future__ import annotations

from celery import shared_task

from audit_site.api import idempotency


@shared_task(name="api.forget_answers")
def forget_answers() -> None:
    idempotency.forget_answers()
