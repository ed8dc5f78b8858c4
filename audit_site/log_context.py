"""What every log line of a piece of work carries, and what none may hold."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

#: Addresses that open something by themselves, and API tokens.
SECRETS: Final = (
    re.compile(
        r"(/accounts/(?:password/reset/key|confirm-email)/|/account/invitation/"
        r"|/account/you/email/prove/)[^/\s\"'?]+"
    ),
    re.compile(r"(\baudit_)[A-Za-z0-9_-]{20,}"),
)


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor, the last before rendering: whoever wrote the line."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = without_secrets(value)
    return event


def without_secrets(text: str) -> str:
    """A text in which opening links and API tokens end in “…”."""
    for secret in SECRETS:
        text = secret.sub(r"\1…", text)
    return text


def request_id() -> str:
    """The id of the request that is being answered, or that led to this work; "" = none did."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))
