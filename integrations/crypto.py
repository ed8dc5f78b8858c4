"""The only module that sees CREDENTIAL_KEYS or ciphertext.

A secret is kept as `v1.<key id>.<base64url(nonce + ciphertext)>`: AES-256-GCM whose associated data
names tenant, integration and field, so that a ciphertext moved to another row doesn't open there.
"""

from __future__ import annotations

import base64
import binascii
import os
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

VERSION = "v1"
NONCE_BYTES = 12
KEY_BYTES = 32


class SecretUnreadable(Exception):
    """A stored secret can't be opened with the keys at hand: it has to be typed in again."""


@lru_cache(maxsize=4)
def _key_ring(text: str) -> dict[str, AESGCM]:
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
        ring[key_id] = AESGCM(key)
    if not ring:
        raise ImproperlyConfigured("CREDENTIAL_KEYS holds no key.")
    return ring


def _context(tenant_id: UUID, integration_id: UUID, field: str) -> bytes:
    return f"{VERSION}|{tenant_id}|{integration_id}|{field}".encode()


def encrypt_secret(plain: str, *, tenant_id: UUID, integration_id: UUID, field: str) -> str:
    """Encrypt with the newest key, bound to tenant, integration and field."""
    ring = _key_ring(settings.CREDENTIAL_KEYS)
    key_id, cipher = next(iter(ring.items()))
    nonce = os.urandom(NONCE_BYTES)
    sealed = cipher.encrypt(nonce, plain.encode(), _context(tenant_id, integration_id, field))
    return f"{VERSION}.{key_id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"


def decrypt_secret(stored: str, *, tenant_id: UUID, integration_id: UUID, field: str) -> str:
    """Open what `encrypt_secret` made, by the key it names; `SecretUnreadable` if that can't be."""
    try:
        version, key_id, encoded = stored.split(".", 2)
        raw = base64.urlsafe_b64decode(encoded)
        cipher = _key_ring(settings.CREDENTIAL_KEYS)[key_id]
        context = _context(tenant_id, integration_id, field)
        plain = cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context)
    except (ValueError, KeyError, InvalidTag):
        raise SecretUnreadable(field) from None
    if version != VERSION:
        raise SecretUnreadable(field)
    return plain.decode()


def is_encrypted_with_newest(stored: str) -> bool:
    """Whether a stored secret already uses the newest key (rotation is done when all do)."""
    newest = next(iter(_key_ring(settings.CREDENTIAL_KEYS)))
    return stored.startswith(f"{VERSION}.{newest}.")
