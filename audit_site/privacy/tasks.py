"""Background work about what is kept and what is not. May run as often as one likes."""

from __future__ import annotations

import logging

from celery import shared_task

from audit_site.privacy.retention import RETENTION

log = logging.getLogger(__name__)


@shared_task(name="privacy.forget_old")
def forget_old() -> None:
    """Delete what has been kept for long enough; where one kind fails, the others don't wait."""
    for kept in RETENTION:
        try:
            kept.forget()
        except Exception:  # whatever one kind meets is logged, and the clock tries it again
            log.exception("not_forgotten what=%s", kept.what)
