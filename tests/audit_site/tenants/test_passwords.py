"""Passwords that are guessed first are refused."""

from __future__ import annotations

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from audit_site.tenants.models import User
from audit_site.tenants.sign_in_forms import (
    ChangePasswordForm,
    ResetPasswordForm,
    ResetPasswordKeyForm,
    SetPasswordForm,
)

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


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password_too_short"),
        ("qwertyuiop", "password_guessable"),
        ("alexandra.winter", "password_guessable"),
        ("Alexandra Winter 1", "password_guessable"),
    ],
)
def test_one_sentence_says_why(password: str, code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        validate_password(password, ALEX)

    assert [error.code for error in caught.value.error_list] == [code]


def test_forms_of_the_library_are_in_our_words() -> None:
    forms = [ChangePasswordForm(), SetPasswordForm(), ResetPasswordKeyForm(), ResetPasswordForm()]

    labels = [[field.label for field in form.fields.values()] for form in forms]
    new = ["New password", "New password again"]
    assert labels == [["Current password", *new], new, new, ["E-mail"]]
    fields = [field for form in forms for field in form.fields.values()]
    assert [field for field in fields if "placeholder" in field.widget.attrs] == []
    assert {field.help_text for field in fields if field.label == "New password"} == {
        "At least ten characters. Nothing that many people use, and nothing made of your name."
    }
