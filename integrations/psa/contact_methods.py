"""What is a way to reach a person, out of whatever people type into the fields of a PSA.

The one place for all PSAs. A text without a plausible address or number is no method: "n/a", "-",
"noemail".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from integrations.psa.decoding import clean

LONGEST_EMAIL: Final = 254
#: Fewer digits are no number that somebody could call, not even inside a house.
FEWEST_DIGITS: Final = 3

_ADDRESS: Final = re.compile(
    r"(?P<local>[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*)"
    r"@(?P<domain>(?:[^\W_](?:[\w-]*[^\W_])?\.)+(?P<top>[^\W_](?:[\w-]*[^\W_])))"
)


def email_in(text: str | None) -> str:
    """The first plausible e-mail address in a text; "" when there is none."""
    for found in _ADDRESS.finditer(unicodedata.normalize("NFKC", clean(text))):
        if not found["top"].isdecimal() and len(found.group()) <= LONGEST_EMAIL:
            return found.group().removeprefix("mailto:")
    return ""


def phone_in(text: str | None) -> str:
    """A phone number as it is written; "" for a text that holds none."""
    number = clean(text)
    return number if sum(map(str.isdecimal, number)) >= FEWEST_DIGITS else ""


def first_email(texts: Iterable[str | None]) -> str:
    """The address of the first text that holds one."""
    return next(filter(None, map(email_in, texts)), "")


def first_phone(texts: Iterable[str | None]) -> str:
    """The first text that is a number."""
    return next(filter(None, map(phone_in, texts)), "")
