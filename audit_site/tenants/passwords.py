"""Passwords that are guessed first are refused, without asking anybody outside."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth.password_validation import (
    CommonPasswordValidator,
    UserAttributeSimilarityValidator,
)
from django.core.exceptions import ValidationError
from zxcvbn import zxcvbn

#: “Password2024!” takes a tenth of it, four words with nothing in common a million times as many.
FEWEST_GUESSES: Final = 100_000_000
#: What is longer is judged by its beginning: the work grows with the length.
MOST_LOOKED_AT: Final = 72


#: What a form says of a new password, before it is typed.
HELP: Final = (
    "At least ten characters. Nothing that many people use, and nothing made of your name."
)


class GuessablePasswordValidator:
    """Refuses passwords of leaked lists, and those made of them by the usual tricks.

    zxcvbn ships 30,000 passwords from leaks, by frequency, with names and words, and reckons how
    many guesses a password takes, its variants (Pa$$w0rd2024) included. Django's own list, and what
    resembles the person's name or address, are refused in the same words. What has fewer than
    `min_length` characters is left to the rule of that.
    """

    def __init__(self, min_length: int = 0) -> None:
        self.min_length = min_length
        self.others = (
            CommonPasswordValidator(),
            UserAttributeSimilarityValidator(user_attributes=("name", "email")),
        )

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) >= self.min_length and self._is_guessable(password, user):
            raise ValidationError(
                "This password is among those that are guessed first. Take a longer one, such as "
                "four words that have nothing to do with each other.",
                code="password_guessable",
            )

    def _is_guessable(self, password: str, user: Any) -> bool:
        own = [getattr(user, "name", ""), getattr(user, "email", ""), "audit", "auditforit"]
        found = zxcvbn(password[:MOST_LOOKED_AT], user_inputs=[part for part in own if part])
        if found["guesses"] < FEWEST_GUESSES:
            return True
        try:
            for other in self.others:
                other.validate(password, user)
        except ValidationError:
            return True
        return False

    def get_help_text(self) -> str:
        return "Nothing that many people use, and nothing made of your name."
