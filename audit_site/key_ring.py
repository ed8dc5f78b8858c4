"""The only module that sees CREDENTIAL_KEYS or ciphertext.

A secret is kept as `v1.<key id>.<base64url(nonce + ciphertext)>`: AES-256-GCM whose associated data
says what it is bound to, so that a ciphertext moved to another place doesn't open there. The nonce
is random and stays when the same secret is sealed with another key: two sealed texts with one nonce
hold the same secret.
"""

from __future__ import annotations

import base64
import binascii
import os
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

VERSION: Final = "v1"
NONCE_BYTES = 12
KEY_BYTES = 32


class SecretUnreadable(Exception):
    """A stored secret can't be opened with the keys at hand: it has to be typed in again."""


class KeyMissing(SecretUnreadable):
    """The key that a stored secret was sealed with is not in CREDENTIAL_KEYS."""


@lru_cache(maxsize=4)
def _read_ring(text: str) -> dict[str, AESGCM]:
    """Read `id:base64-of-32-bytes, …`, newest first."""
    ring: dict[str, AESGCM] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        key_id, _, encoded = item.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not key_id or "." in key_id or len(key) != KEY_BYTES:
            raise ImproperlyConfigured(
                "CREDENTIAL_KEYS must hold `id:key` pairs, comma-separated, newest first; "
                "a key is the base64 of 32 random bytes and an id has no dot."
            )
        if key_id in ring:
            raise ImproperlyConfigured(f"CREDENTIAL_KEYS holds two keys with the id “{key_id}”.")
        ring[key_id] = AESGCM(key)
    if not ring:
        raise ImproperlyConfigured("CREDENTIAL_KEYS holds no key.")
    return ring


def _ring() -> dict[str, AESGCM]:
    return _read_ring(settings.CREDENTIAL_KEYS)


def key_ids() -> list[str]:
    """The ids of the keys at hand, newest first."""
    return [*_ring()]


def seal(plain: str, bound_to: str) -> str:
    """Encrypt with the newest key; it opens only where the same `bound_to` is said."""
    return _sealed(plain, bound_to, os.urandom(NONCE_BYTES))


def reseal(stored: str, bound_to: str) -> str:
    """The same secret, sealed with the newest key; SecretUnreadable where it can't be opened."""
    return _sealed(unseal(stored, bound_to), bound_to, _raw(stored)[:NONCE_BYTES])


def _sealed(plain: str, bound_to: str, nonce: bytes) -> str:
    key_id, cipher = next(iter(_ring().items()))
    sealed = cipher.encrypt(nonce, plain.encode(), _context(bound_to))
    return f"{VERSION}.{key_id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"


def unseal(stored: str, bound_to: str) -> str:
    """Open what `seal` made by the key that it names; SecretUnreadable if that can't be."""
    key_id = key_id_of(stored)
    if key_id is None:
        raise SecretUnreadable
    if key_id not in _ring():
        raise KeyMissing(key_id)
    try:
        raw = _raw(stored)
        plain = _ring()[key_id].decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _context(bound_to))
    except (ValueError, InvalidTag):
        raise SecretUnreadable from None
    return plain.decode()


def key_id_of(stored: str) -> str | None:
    """Which key a stored text was sealed with; None when it is no sealed text."""
    parts = stored.split(".")
    return parts[1] if len(parts) == 3 and parts[0] == VERSION else None


def same_whatever_the_key(stored: str) -> str:
    """What a sealed text has in common with itself under another key; other texts as they are."""
    return stored if key_id_of(stored) is None else _raw(stored)[:NONCE_BYTES].hex()


def is_sealed_with_newest(stored: str) -> bool:
    """Whether a stored secret already uses the newest key (rotation is done when all do)."""
    return key_id_of(stored) == key_ids()[0]


def _context(bound_to: str) -> bytes:
    return f"{VERSION}|{bound_to}".encode()


def _raw(stored: str) -> bytes:
    return base64.urlsafe_b64decode(stored.rpartition(".")[2])
