"""`enqueue()`: the only way to start background work."""

from __future__ import annotations

import logging
from threading import Lock
from typing import Any, Final

from django.db import transaction
from kombu.exceptions import OperationalError

from audit_site import log_context
from audit_site.celery import app
from audit_site.lanes import CELERY

log = logging.getLogger(__name__)
_LOADING: Final = Lock()


def enqueue(task_name: str, *ids: str, queue: str = CELERY) -> None:
    """Send a hint to the workers once the current transaction has committed.

    `queue`: URGENT for what a person waits for, SYNC for syncs, CELERY for the rest.

    The row that the ids name is the truth and the message only a hint: when the broker can't be
    reached nothing is lost, for the sweeper sends the hint again.
    """
    # from the click to the call that a PSA refuses: one id in all log lines
    headers = {"request_id": log_context.request_id()}

    def send() -> None:
        task = _task(task_name)
        try:
            task.apply_async(args=ids, queue=queue, headers=headers, retry=False)
        except (OperationalError, OSError) as error:
            log.warning("broker_unreachable task=%s error=%s", task_name, type(error).__name__)

    transaction.on_commit(send)


def _task(name: str) -> Any:
    """A task by its name, also in a command, or in a web process that has sent none yet."""
    if name not in app.tasks:
        with _LOADING:  # Celery lets a second thread go on before the first one has them
            if name not in app.tasks:
                app.loader.import_default_modules()
    return app.tasks[name]
