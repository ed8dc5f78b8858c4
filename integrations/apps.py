from __future__ import annotations

from typing import Any

from celery.signals import worker_shutting_down
from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"

    def ready(self) -> None:
        worker_shutting_down.connect(give_back)


def give_back(**_: Any) -> None:
    """A worker was asked to end: its runs continue in another one."""
    from integrations.runs import shutdown  # noqa: PLC0415

    shutdown.requested.set()
