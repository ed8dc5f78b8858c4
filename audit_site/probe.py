"""What `doctor` asks of a web process through its public address: how a request arrives there.

The answer tells how many proxies there are, so only who has SECRET_KEY is given it.
"""

from __future__ import annotations

from typing import Any, Final

from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest

from audit_site.release import release_mark

HEADER: Final = "X-Audit-Doctor"
#: What the one who asks types into X-Forwarded-For: an address kept free for documentation.
TYPED: Final = "192.0.2.254"
VALID_SECONDS: Final = 60
_signer = TimestampSigner(salt="audit_site.probe")


def headers() -> dict[str, str]:
    """What a probe sends along."""
    return {HEADER: _signer.sign("doctor"), "X-Forwarded-For": TYPED}


def is_asked_by_doctor(request: HttpRequest) -> bool:
    try:
        return _signer.unsign(request.headers.get(HEADER, ""), max_age=VALID_SECONDS) == "doctor"
    except BadSignature:
        return False


def arrival(request: HttpRequest) -> dict[str, Any]:
    """How this request came here, before anything of it was read or taken away."""
    addresses = [
        part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part
    ]
    if TYPED in addresses:  # a proxy that adds leaves it there; one that says anew takes it away
        addresses = addresses[addresses.index(TYPED) + 1 :]
    return {
        "proxies": len(addresses),
        "forwarded_proto": request.META.get("HTTP_X_FORWARDED_PROTO", ""),
        "release": release_mark(),
    }
