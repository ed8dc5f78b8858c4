"""The Celery app. Web processes use it to send hints, workers to run them."""

from __future__ import annotations

import logging
import os
from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging, task_postrun, task_prerun
from kombu.transport import TRANSPORT_ALIASES

from audit_site import lanes

TRANSPORT_ALIASES["filesystem"] = "audit_site.folder_broker:Transport"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "audit_site.settings")

app = Celery("audit_site")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = lanes.queues()
app.conf.task_default_queue = lanes.CELERY
app.steps["worker"].add(lanes.LanesStep)
app.autodiscover_tasks()


@setup_logging.connect
def keep_logging(loglevel: int, **_: Any) -> None:
    """Lines of a worker are as those of the web (settings); `-l` is about Celery's own."""
    logging.getLogger("celery").setLevel(loglevel)


@task_prerun.connect
def name_request(task: Any, **_: Any) -> None:
    """The lines that a task writes carry the id of the request that asked for it."""
    structlog.contextvars.clear_contextvars()
    sent = getattr(task.request, "request_id", "") or (task.request.headers or {}).get("request_id")
    if sent:
        structlog.contextvars.bind_contextvars(request_id=sent)


@task_postrun.connect
def forget_request(**_: Any) -> None:
    structlog.contextvars.clear_contextvars()
