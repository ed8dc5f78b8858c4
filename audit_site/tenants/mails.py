"""What all our e-mails share."""

from __future__ import annotations

from typing import Final

from django.conf import settings

MOST_SUBJECT_LENGTH: Final = 200


def is_mail_configured() -> bool:
    """Whether e-mail leaves this installation."""
    return bool(settings.EMAIL_HOST) or "console" not in settings.EMAIL_BACKEND


def one_line(text: str) -> str:
    """A name for a subject: a line break in it would end the header."""
    return " ".join(text.split())


def subject_of(text: str) -> str:
    """A subject with our name in front, no longer than mail servers like."""
    return f"[audIT] {text}"[:MOST_SUBJECT_LENGTH]
