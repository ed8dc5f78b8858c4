"""What leaves for Sentry, when SENTRY_DSN is set: never what opens something by itself."""

from __future__ import annotations

from typing import Any, Final

from audit_site.log_context import without_secrets

#: Headers, and parts of a request, that sign somebody in.
NEVER_SENT: Final = {
    "authorization",
    "proxy-authorization",
    "cookie",
    "cookies",
    "set-cookie",
    "x-csrftoken",
}


def clean_event(event: Any, _: dict[str, Any]) -> Any:
    """An event or breadcrumb without cookies, sign-in headers, opening links and API tokens."""
    return _clean(event)


def options() -> dict[str, Any]:
    """What `sentry_sdk.init` is told beside the address."""
    return {
        "include_local_variables": False,
        "max_request_body_size": "never",
        "before_send": clean_event,
        "before_send_transaction": clean_event,
        "before_breadcrumb": clean_event,
    }


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {
            without_secrets(name) if isinstance(name, str) else name: _clean(inner)
            for name, inner in value.items()
            if str(name).lower() not in NEVER_SENT
        }
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return value
