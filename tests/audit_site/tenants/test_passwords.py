"""Passwords that are guessed first are refused."""

from __future__ import annotations

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from audit_site.tenants.models import User

ALEX = User(email="alexandra.winter@northwind.example", name="Alexandra Winter")


@pytest.mark.parametrize(
    "password",
    [
        *("qwertyuiop", "letmein12345", "Password2024!", "Pa$$w0rd2024", "iloveyou1234"),
        *("1234567890", "aaaaaaaaaaaa", "winter2024!", "Northwind1", "alexandra.winter"),
        *("short", "auditforit1", "December2026"),
    ],
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(ValidationError):
        validate_password(password, ALEX)


@pytest.mark.parametrize(
    "password",
    [
        "correct-horse-battery",
        "demo-password-1",
        "long-enough-1",
        "kV9#tq2Lw!x8",
        "x" * 5 + "Q7 lamp" * 40,
    ],
)
def test_others_are_taken(password: str) -> None:
    validate_password(password, ALEX)


def test_the_refusal_says_what_to_do() -> None:
    with pytest.raises(ValidationError) as caught:
        validate_password("Password2024!", ALEX)

    assert caught.value.messages == [
        "This password is among those that are guessed first. Take a longer one, such as four words "
        "that have nothing to do with each other."
    ]
