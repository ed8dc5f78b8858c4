"""What all our e-mails share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused
from typing import Final

from django.conf import settings
from django.core.mail import EmailMessage

MOST_SUBJECT_LENGTH: Final = 200
#: A mail server that says so is about to hang up, whatever the e-mail.
CLOSING: Final = 421
#: From here on an answer means never; below, not now.
FINAL: Final = 500
ENHANCED_CODE: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


class MailNotSent(Exception):
    """The mail server did not take an e-mail: try again later. Holds no address and no answer."""


class MailRefused(MailNotSent):
    """The mail server takes others, but not this one: its codes, without its words.

    `is_final`: it will give the same answer to-morrow.
    """

    def __init__(self, codes: str, *, is_final: bool = False) -> None:
        super().__init__(codes)
        self.is_final = is_final


def send(mail: EmailMessage) -> None:
    """Give an e-mail to the mail server; raises MailNotSent or MailRefused."""
    with troubles_named():
        mail.send()


@contextmanager
def troubles_named() -> Iterator[None]:
    """Tell what befell one e-mail (MailRefused) from what would befall all (MailNotSent)."""
    try:
        yield
    except SMTPRecipientsRefused as error:
        answers = list(error.recipients.values())
        raise _refused(error, min(answers, key=lambda answer: answer[0])) from None
    except SMTPDataError as error:
        raise _refused(error, (error.smtp_code, error.smtp_error)) from None
    except (SMTPException, OSError) as error:
        raise MailNotSent(type(error).__name__) from None


def _refused(error: Exception, answer: tuple[int, bytes | str]) -> MailNotSent:
    code, words = answer
    if code == CLOSING:
        return MailNotSent(type(error).__name__)
    said = words.decode("ascii", "replace") if isinstance(words, bytes) else words
    enhanced = ENHANCED_CODE.match(said)
    codes = f"{code} {enhanced[0]}" if enhanced else str(code)
    return MailRefused(codes, is_final=code >= FINAL)


def is_mail_configured() -> bool:
    """Whether e-mail leaves this installation."""
    return bool(settings.EMAIL_HOST) or "console" not in settings.EMAIL_BACKEND


def one_line(text: str) -> str:
    """A name for a subject: a line break in it would end the header."""
    return " ".join(text.split())


def subject_of(text: str) -> str:
    """A subject with our name in front, no longer than mail servers like."""
    return f"[audIT] {text}"[:MOST_SUBJECT_LENGTH]
