"""Where an act comes from: which door, which address, which token. The audit trail writes it down.

A door says it once, when it opens (`OriginMiddleware`, bearer authentication, the worker's tasks).
What nobody says anything of is done by an operator on the machine itself: a command.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from audit_site.db.folded_text import storable
from audit_site.db.lengths import fitted
from audit_site.tenants.models import ApiToken, AuditEvent

Door = AuditEvent.Door


@dataclass(frozen=True, slots=True)
class Origin:
    """Where what is done now comes from; `token` is the one that a request brought."""

    door: str = Door.COMMAND
    ip: str = ""
    user_agent: str = ""
    token: ApiToken | None = None


_ORIGIN: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039  it is frozen


def origin() -> Origin:
    """Where what is done now comes from."""
    return _ORIGIN.get()


@contextmanager
def coming_from(source: Origin) -> Iterator[None]:
    """What is done inside comes from there."""
    token = _ORIGIN.set(source)
    try:
        yield
    finally:
        _ORIGIN.reset(token)


def bring_token(token: ApiToken) -> None:
    """The request that is being answered brought this token."""
    _ORIGIN.set(replace(origin(), token=token))


class OriginMiddleware:
    """Says of all that a request does that it came from its address, browser and door."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with coming_from(_of(request)):
            return self._get_response(request)


def _of(request: HttpRequest) -> Origin:
    is_api = request.path_info.startswith("/api/")
    agent = storable(request.META.get("HTTP_USER_AGENT", ""))
    return Origin(
        door=Door.API if is_api else Door.PAGE,
        ip=fitted(AuditEvent, "ip", request.META.get("REMOTE_ADDR", "")),
        user_agent=fitted(AuditEvent, "user_agent", agent),
    )


def begin_task(**_: Any) -> None:
    """Say of all that a task does that a worker did it (Celery's `task_prerun`)."""
    _ORIGIN.set(Origin(door=Door.WORKER))


def end_task(**_: Any) -> None:
    """What this thread does next says by itself where it comes from (`task_postrun`)."""
    _ORIGIN.set(Origin())


def operator_name() -> str:
    """Who is signed in to the machine; "" where that has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
