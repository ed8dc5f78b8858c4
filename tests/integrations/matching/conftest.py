from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery.signals import before_task_publish


@pytest.fixture
def messages() -> Iterator[list[str]]:
    """The names of the tasks that are sent to workers meanwhile."""
    names: list[str] = []

    def note(sender: str, **_: object) -> None:
        names.append(sender)

    before_task_publish.connect(note)
    yield names
    before_task_publish.disconnect(note)
