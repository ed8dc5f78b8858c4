"""A worker that does at once what is queued, such as sending mails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import current_app


@pytest.fixture
def worker(django_capture_on_commit_callbacks: Any) -> Iterator[Callable[..., None]]:
    """Does at once what `enqueue` asks for, through the broker's own serialization rules."""
    current_app.conf.task_always_eager = True

    def run(act: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            act(*args, **kwargs)

    yield run
    current_app.conf.task_always_eager = False
