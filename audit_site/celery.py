"""The Celery app. Web processes use it to send hints, workers to run them."""

from __future__ import annotations

import os

from celery import Celery
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
