"""Leaving out what a PSA shows of contacts that were erased here."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable

from integrations.models import ForgottenContact, Integration


def remember_forgotten(integration: Integration, external_id: str) -> None:
    """Leave this contact out from now on. Call it under the lock of the integration."""
    rows = ForgottenContact.objects.of(integration)
    salt = rows.values_list("salt", flat=True).first() or secrets.token_hex(16)
    ForgottenContact.objects.bulk_create(
        [
            ForgottenContact(
                tenant_id=integration.tenant_id,
                integration=integration,
                salt=salt,
                mark=_mark(salt, external_id),
            )
        ],
        ignore_conflicts=True,
    )


def forgotten_among(integration: Integration, external_ids: Iterable[str]) -> set[str]:
    """Those of these contacts that were erased. One statement; nearly always there is none."""
    known = dict(ForgottenContact.objects.of(integration).values_list("mark", "salt"))
    salts = set(known.values())
    return {id_ for id_ in external_ids if id_ and any(_mark(salt, id_) in known for salt in salts)}


def _mark(salt: str, external_id: str) -> str:
    return hashlib.sha256(f"{salt}|{external_id}".encode()).hexdigest()
