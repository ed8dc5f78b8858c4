"""Browsers that have signed in before: a signed cookie that says to which accounts."""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from typing import Any, Final

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase

SALT: Final = "audit_site.known_device"
SECONDS: Final = 180 * 24 * 3600
#: A browser that several people share remembers so many of them.
MOST: Final = 5


def account_name(address: str) -> str:
    """An address as it is compared: two spellings of one are one account."""
    return unicodedata.normalize("NFKC", address).strip().casefold()


def known_device(request: HttpRequest, account: str) -> str:
    """What names this browser if it has signed in to this account before, else ""."""
    mark = _read(request)
    return str(mark["id"]) if _account_mark(account) in mark["for"] else ""


def remember_device(request: HttpRequest, response: HttpResponseBase, account: str) -> None:
    """Mark a browser as one that has signed in to this account."""
    old = _read(request)
    this = _account_mark(account)
    accounts = [this, *(one for one in old["for"] if one != this)]
    mark = {"id": old["id"] or secrets.token_urlsafe(16), "for": accounts[:MOST]}
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        signing.dumps(mark, salt=SALT),
        max_age=SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _read(request: HttpRequest) -> dict[str, Any]:
    try:
        text = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")
        found = signing.loads(text, salt=SALT, max_age=SECONDS)
    except signing.BadSignature:
        return {"id": "", "for": []}
    return dict(found)


def _account_mark(account: str) -> str:
    """A cookie tells no address to who looks over a shoulder."""
    name = account_name(account).encode()
    return hashlib.blake2b(name, digest_size=12, person=b"known device").hexdigest()
