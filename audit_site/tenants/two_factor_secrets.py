"""The secrets of two-factor sign-in, kept sealed: keys of apps, seeds of recovery codes."""

from __future__ import annotations

from typing import Any, Final

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.db import transaction

from audit_site import key_ring
from audit_site.key_rotation import SealedRow, SealedRows

BOUND_TO: Final = "two-factor"
#: Members of an authenticator's data that hold a secret, and that hold a list of them.
TEXTS: Final = ("secret", "seed")
LISTS: Final = ("migrated_codes",)


class SealedSecrets(DefaultMFAAdapter):  # type: ignore[misc]
    """Hands secrets to the database sealed, and opens them again."""

    def encrypt(self, text: str) -> str:
        return key_ring.seal(text, BOUND_TO)

    def decrypt(self, encrypted_text: str) -> str:
        """The secret; one that an older release has stored readable is taken as it is."""
        if key_ring.key_id_of(encrypted_text) is None:
            return encrypted_text
        return key_ring.unseal(encrypted_text, BOUND_TO)


class TwoFactorSecrets(SealedRows):
    """What `rotate_credentials` seals again of two-factor sign-in."""

    title = "secrets of two-factor sign-in"

    def after(self, last: Any, size: int) -> list[SealedRow]:
        rows = Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN).order_by("pk")
        if last is not None:
            rows = rows.filter(pk__gt=last)
        return [SealedRow(row.pk, _sealed(row.data)) for row in rows[:size]]

    def reseal(self, row: SealedRow) -> None:
        with transaction.atomic():
            rows = Authenticator.objects.filter(pk=row.pk)
            locked = rows.select_for_update().first()
            if locked is not None:
                rows.update(data=_resealed(locked.data))


def _sealed(data: dict[str, Any]) -> list[str]:
    texts = [data[name] for name in TEXTS if name in data]
    return texts + [text for name in LISTS for text in data.get(name, ())]


def _resealed(data: dict[str, Any]) -> dict[str, Any]:
    texts: dict[str, Any] = {name: _newest(data[name]) for name in TEXTS if name in data}
    lists = {name: [_newest(text) for text in data[name]] for name in LISTS if name in data}
    return {**data, **texts, **lists}


def _newest(stored: str) -> str:
    if key_ring.key_id_of(stored) is None:  # readable, by an older release
        return key_ring.seal(stored, BOUND_TO)
    return key_ring.reseal(stored, BOUND_TO)
