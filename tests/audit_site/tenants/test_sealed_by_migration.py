"""Secrets of two-factor sign-in that older releases stored readable are sealed by `migrate`."""

from __future__ import annotations

from importlib import import_module

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.db import transaction

from audit_site import key_ring
from audit_site.tenants.models import User

MIGRATION = import_module("audit_site.tenants.migrations.0010_seal_two_factor_secrets")
TOTP_KEY = "JBSWY3DPEHPK3PXP"


def test_what_is_readable_is_sealed_and_the_rest_stays_as_it_is(alex: User, mia: User) -> None:
    sealed = key_ring.seal(TOTP_KEY, "two-factor")
    Authenticator.objects.create(user=alex, type="totp", data={"secret": TOTP_KEY})
    Authenticator.objects.create(user=mia, type="totp", data={"secret": sealed})
    codes = {"migrated_codes": ["11111111", "22222222"], "used_mask": 2}
    Authenticator.objects.create(user=alex, type="recovery_codes", data=codes)
    Authenticator.objects.create(
        user=mia, type="recovery_codes", data={"seed": "s", "used_mask": 1}
    )
    passkey = {"name": "Phone", "credential": {"id": "secret"}}
    Authenticator.objects.create(user=alex, type="webauthn", data=passkey)

    with transaction.atomic():
        MIGRATION.seal(apps, None)

    app, same, migrated, seed, key = (one.data for one in Authenticator.objects.order_by("pk"))
    stored = [app["secret"], *migrated["migrated_codes"], seed["seed"]]
    assert [key_ring.key_id_of(text) for text in stored] == [key_ring.key_ids()[0]] * 4
    opened = [get_adapter().decrypt(text) for text in stored]
    assert opened == [TOTP_KEY, "11111111", "22222222", "s"]
    assert (migrated["used_mask"], seed["used_mask"]) == (2, 1)
    assert (same, key) == ({"secret": sealed}, passkey)
