"""What a process of tests makes once and hands out again, since it comes to the same each time.

Each test client is a web server that starts, and each sandbox a PSA with all its data.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from whitenoise.middleware import WhiteNoiseMiddleware

from integrations.sandbox import autotask, connectwise, kaseya_bms

SANDBOXES = (autotask, connectwise, kaseya_bms)


def make_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", _with_files_found_before())
    for sandbox in SANDBOXES:
        patch.setattr(sandbox, "build", _copied(sandbox.build))


def _with_files_found_before() -> Callable[[WhiteNoiseMiddleware], None]:
    """Where the assets lie is looked for once; they don't change while tests run."""
    find = WhiteNoiseMiddleware.add_files_from_finders
    found: dict[str, Any] = {}

    def add_files(middleware: WhiteNoiseMiddleware) -> None:
        others, middleware.files = middleware.files, found
        if not found:
            find(middleware)
        middleware.files = {**others, **found}

    return add_files


def _copied(build: Callable[..., Any]) -> Callable[..., Any]:
    """A copy of the data that the same seed has made before."""

    @cache
    def built(**asked: Any) -> bytes:
        return pickle.dumps(build(**asked), pickle.HIGHEST_PROTOCOL)

    return lambda **asked: pickle.loads(built(**asked))  # noqa: S301  our own
