"""The keys that stored secrets are encrypted with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from audit_site import key_ring
from audit_site.db import walls
from audit_site.doctor.findings import Finding, counted, failing, ok, warning
from audit_site.tenants.models import Tenant
from audit_site.tenants.two_factor_secrets import SealedSecrets, TwoFactorSecrets
from integrations import crypto
from integrations.models import Integration

#: What stands for the key of a text that no key of ours made.
NO_KEY = ""


def ring() -> Finding:
    try:
        newest = key_ring.key_ids()[0]
    except ImproperlyConfigured as error:  # it names the form and never a key
        return failing(
            f"The keys for stored secrets can't be read. {error}",
            "Correct CREDENTIAL_KEYS; keys that stored secrets need must stay in it.",
        )
    if newest == "development" and not settings.DEBUG:
        return failing(
            "CREDENTIAL_KEYS begins with the development key, which everybody knows.",
            "Put a random key in front and run `python manage.py rotate_credentials`.",
        )
    return ok(f"CREDENTIAL_KEYS can be read; “{newest}” is the newest key.")


def stored_secrets() -> Finding:
    """Each stored secret is opened and forgotten: the right id may stand before another key."""
    try:
        newest = key_ring.key_ids()[0]
    except ImproperlyConfigured:
        return failing("Stored secrets can't be opened.", "See keys.ring.")
    counts, closed = _opened()
    if closed:
        named = ", ".join(f"“{key}”" for key in sorted(closed) if key) or "an unknown key"
        return failing(
            f"{_secrets(closed)} can't be opened: saved with {named}, which CREDENTIAL_KEYS lacks "
            "or has with other bytes.",
            "Bring the key back into CREDENTIAL_KEYS, or have those connections' keys typed again.",
        )
    if readable := counts.pop(NO_KEY, 0):
        return failing(
            f"{counted(readable, 'secret')} of two-factor sign-in stored readable, by an older "
            "release.",
            "Run `python manage.py rotate_credentials`, which encrypts them.",
        )
    if older := {key: number for key, number in counts.items() if key != newest}:
        named = ", ".join(f"“{key}” ({number})" for key, number in sorted(older.items()))
        return warning(
            f"Stored secrets still use older keys: {named}.",
            "Run `python manage.py rotate_credentials`, then take the older keys out.",
        )
    return ok(f"{_secrets(counts)} can be opened with the newest key.")


def _secrets(by_key: Counter[str]) -> str:
    return counted(sum(by_key.values()), "stored secret")


def _opened() -> tuple[Counter[str], Counter[str]]:
    """How many secrets each key opened, and how many stayed closed, by the id they name.

    Opened by NO_KEY: those that are stored readable.
    """
    counts: Counter[str] = Counter()
    closed: Counter[str] = Counter()

    def look(stored: str, unseal: Callable[[str], str]) -> None:
        key = key_ring.key_id_of(stored) or NO_KEY
        try:
            unseal(stored)
        except key_ring.SecretUnreadable:
            closed[key] += 1
        else:
            counts[key] += 1

    with walls.as_system("doctor"):
        tenants = list(Tenant.objects.order_by("pk"))
    for tenant in tenants:
        with walls.within(tenant.pk):
            rows = list(Integration.objects.for_tenant(tenant).order_by("pk"))
        for row in rows:
            for field, stored in _sealed(row):
                unseal = partial(
                    crypto.decrypt_secret,
                    tenant_id=row.tenant_id,
                    integration_id=row.pk,
                    field=field,
                )
                look(stored, unseal)
    opener = SealedSecrets().decrypt  # which takes what no key protects as it is
    for batch in TwoFactorSecrets().batches():
        for stored in (text for row in batch for text in row.sealed):
            look(stored, opener)
    return counts, closed


def _sealed(row: Integration) -> list[tuple[str, str]]:
    places = [row.credentials, (row.candidate or {}).get("credentials", {})]
    secrets = row.psa_info.secret_fields
    return [item for place in places for item in place.items() if item[0] in secrets]
