"""A worker that does at once what is queued, such as sending mails, and a move that is to come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import current_app

from integrations.sandbox.server import SandboxServer
from tests.integrations.matching.moves import Story, tell_of_a_move


@pytest.fixture
def worker(django_capture_on_commit_callbacks: Any) -> Iterator[Callable[..., None]]:
    """Does at once what `enqueue` asks for, through the broker's own serialization rules."""
    current_app.conf.task_always_eager = True

    def run(act: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            act(*args, **kwargs)

    yield run
    current_app.conf.task_always_eager = False


@pytest.fixture(scope="module")
def told(rows_for_all: None, sandbox_for_all: SandboxServer) -> Story:
    return tell_of_a_move(sandbox_for_all)


@pytest.fixture
def story(told: Story, db: None) -> Story:
    """An audITee that is to move, told once for all tests of a module."""
    return told.again()
