from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

import pytest

from audit_site.key_ring import is_sealed_with_newest, same_whatever_the_key
from integrations.crypto import (
    KeyMissing,
    SecretUnreadable,
    decrypt_secret,
    encrypt_secret,
    is_key_missing,
    reencrypt_secret,
)

TENANT = UUID("01900000-0000-7000-8000-000000000001")
INTEGRATION = UUID("01900000-0000-7000-8000-000000000002")
OLD = "old:" + base64.b64encode(b"o" * 32).decode()
NEW = "new:" + base64.b64encode(b"n" * 32).decode()
PLACE = {"tenant_id": TENANT, "integration_id": INTEGRATION, "field": "private_key"}


@pytest.fixture(autouse=True)
def old_key(settings: Any) -> None:
    settings.CREDENTIAL_KEYS = OLD


def test_a_secret_opens_where_it_was_sealed() -> None:
    stored = encrypt_secret("s3cret-ü", **PLACE)

    assert decrypt_secret(stored, **PLACE) == "s3cret-ü"


def test_the_stored_text_names_version_and_key_and_hides_the_secret() -> None:
    stored = encrypt_secret("s3cret", **PLACE)

    assert stored.startswith("v1.old.")
    assert "s3cret" not in stored
    assert stored != encrypt_secret("s3cret", **PLACE)


@pytest.mark.parametrize("moved", ["tenant_id", "integration_id", "field"])
def test_a_secret_moved_to_another_place_does_not_open(moved: str) -> None:
    stored = encrypt_secret("s3cret", **PLACE)
    other = UUID(int=7) if moved != "field" else "public_key"

    with pytest.raises(SecretUnreadable):
        decrypt_secret(stored, **{**PLACE, moved: other})


def test_a_new_key_in_front_seals_and_the_old_one_still_opens(settings: Any) -> None:
    before = encrypt_secret("s3cret", **PLACE)
    settings.CREDENTIAL_KEYS = f"{NEW}, {OLD}"

    after = encrypt_secret("s3cret", **PLACE)

    assert decrypt_secret(before, **PLACE) == "s3cret"
    assert after.startswith("v1.new.")
    assert (is_sealed_with_newest(before), is_sealed_with_newest(after)) == (False, True)
    again = reencrypt_secret(before, **PLACE)
    assert decrypt_secret(again, **PLACE) == "s3cret"
    assert again.startswith("v1.new.")
    assert same_whatever_the_key(again) == same_whatever_the_key(before)
    assert same_whatever_the_key(after) != same_whatever_the_key(before)


def test_a_key_that_is_missing_makes_the_secret_unreadable(settings: Any) -> None:
    stored = encrypt_secret("s3cret", **PLACE)
    settings.CREDENTIAL_KEYS = NEW

    assert is_key_missing([stored, "no secret"])
    assert not is_key_missing([encrypt_secret("s3cret", **PLACE), "no secret", ""])
    for opens in (decrypt_secret, reencrypt_secret):
        with pytest.raises(KeyMissing):
            opens(stored, **PLACE)


@pytest.mark.parametrize("damaged", ["", "v1", "v1.old", "v1.old.!!!", "v2.old.AAAA", "plain text"])
def test_damaged_text_is_unreadable_and_nothing_worse(damaged: str) -> None:
    with pytest.raises(SecretUnreadable):
        decrypt_secret(damaged, **PLACE)
