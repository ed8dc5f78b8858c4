"""The secrets of a connection: sealed for one field of one integration of one tenant."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from audit_site import key_ring
from audit_site.key_ring import KeyMissing, SecretUnreadable

__all__ = [
    "KeyMissing",
    "SecretUnreadable",
    "decrypt_secret",
    "encrypt_secret",
    "is_key_missing",
    "reencrypt_secret",
]


def _place(tenant_id: UUID, integration_id: UUID, field: str) -> str:
    return f"{tenant_id}|{integration_id}|{field}"


def encrypt_secret(plain: str, *, tenant_id: UUID, integration_id: UUID, field: str) -> str:
    """Encrypt with the newest key, bound to tenant, integration and field."""
    return key_ring.seal(plain, _place(tenant_id, integration_id, field))


def decrypt_secret(stored: str, *, tenant_id: UUID, integration_id: UUID, field: str) -> str:
    """Open what `encrypt_secret` made, by the key it names; `SecretUnreadable` if that can't be."""
    return key_ring.unseal(stored, _place(tenant_id, integration_id, field))


def reencrypt_secret(stored: str, *, tenant_id: UUID, integration_id: UUID, field: str) -> str:
    """The same secret, encrypted with the newest key."""
    return key_ring.reseal(stored, _place(tenant_id, integration_id, field))


def is_key_missing(sealed: Iterable[str]) -> bool:
    """Whether one of these needs a key that is not at hand. Opens nothing."""
    needed = {key_ring.key_id_of(text) for text in sealed} - {None}
    return not needed <= set(key_ring.key_ids())
