"""Signing in as a person does it: through the page, with a password and a code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.webauthn.internal.auth import WebAuthn
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client
from django.utils import timezone
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

from audit_site.tenants.models import User
from tests.factories import PASSWORD

LOGIN = "/accounts/login/"
SECRET = "JBSWY3DPEHPK3PXP" * 2


def sign_in(user: User, client: Client | None = None, **over: Any) -> Client:
    """A browser in which this person has typed address and password."""
    client = client or Client()
    typed = {"login": user.email, "password": PASSWORD, **over}
    answer = client.post(LOGIN, typed)
    assert answer.status_code == 302, answer.content.decode()
    return client


def guess(client: Client, email: str) -> Any:
    return client.post(LOGIN, {"login": email, "password": "wrong-password"})


def turn_on_two_factor(user: User) -> str:
    """Give a person an authenticator app and recovery codes; return one of the codes."""
    totp.TOTP.activate(user, SECRET)
    return RecoveryCodes.activate(user).get_unused_codes()[0]


def add_passkey(user: User, name: str = "Laptop") -> Authenticator:
    """Give a person a passkey whose private half nobody has."""
    key = ES256.from_cryptography_key(ec.generate_private_key(ec.SECP256R1()).public_key())
    made = AttestedCredentialData.create(bytes(16), name.encode(), key)
    answer = {
        "clientDataJSON": CollectedClientData.create("webauthn.create", b"x", "https://x.example"),
        "attestationObject": AttestationObject.create(
            "none", AuthenticatorData.create(bytes(32), 0x41, 0, made), {}
        ),
    }
    credential = {
        "id": websafe_encode(name.encode()),
        "rawId": websafe_encode(name.encode()),
        "type": "public-key",
        "response": {part: websafe_encode(value) for part, value in answer.items()},
    }
    return WebAuthn.add(user, name, credential).instance


def code_now() -> str:
    """What the app shows."""
    counter = next(iter(totp.yield_hotp_counters_from_time()))
    return totp.format_hotp_value(totp.hotp_value(SECRET, counter))


def prove_again(client: Client) -> None:
    """Type the password once more, as pages ask that change how one signs in."""
    answer = client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert answer.status_code == 302, answer.content.decode()


@contextmanager
def later(**passed: float) -> Iterator[None]:
    """Some time has passed."""
    with time_machine.travel(timezone.now() + timedelta(**passed)):
        yield
