"""What is forgiven in keys that a person pastes."""

from __future__ import annotations

import pytest

from audit_site.errors import FieldErrors
from integrations.connecting.credentials import clean_credentials
from integrations.psa import registry

ODD = ["\ufeff", "\u200b", "\u2060", "\u00ad", "\u202a", "\u00a0", " ", "\n", "\t"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("psa", sorted(registry.adapters()))
def test_what_can_not_be_seen_around_a_key_is_forgiven(psa: str, odd: str) -> None:
    info = registry.get_adapter(psa).info
    typed = {field.name: f"{odd}value{odd}" for field in info.fields if not field.is_password}
    plain = dict.fromkeys(typed, "value")
    passwords = {field.name: "pass word" for field in info.fields if field.is_password}

    assert clean_credentials(info, {**typed, **passwords}) == {**plain, **passwords}


def test_no_character_of_a_password_is_forgiven() -> None:
    info = registry.get_adapter("kaseya_bms").info
    typed = {"username": "api", "tenant": "Acme", "password": "\u200bpass\u00adword\ufeff"}

    assert clean_credentials(info, typed)["password"] == "\u200bpass\u00adword\ufeff"
    assert [field.name for field in info.fields if field.is_password] == ["password"]


def test_only_what_can_be_seen_counts_as_typed() -> None:
    info = registry.get_adapter("autotask").info
    typed = {"username": "\u200b", "secret": "s", "tracking_identifier": "t"}

    with pytest.raises(FieldErrors) as caught:
        clean_credentials(info, typed)

    assert [(error["field"], error["code"]) for error in caught.value.errors] == [
        ("credentials.username", "required")
    ]
