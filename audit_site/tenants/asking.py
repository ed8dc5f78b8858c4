"""Who asks: the person whose request is being answered; nobody for a worker and a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from audit_site.tenants.models import User

_ASKER: Final[ContextVar[User | None]] = ContextVar("asker", default=None)


@contextmanager
def a_request() -> Iterator[None]:
    """Around a request: whoever it names counts for it alone."""
    before = _ASKER.set(None)
    try:
        yield
    finally:
        _ASKER.reset(before)


def asks(person: User) -> None:
    """This person asks, by page or by a token of theirs. Call it within `a_request`."""
    _ASKER.set(person)


def asker() -> User | None:
    return _ASKER.get()
