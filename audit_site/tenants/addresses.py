"""E-mail addresses: written in one way, and refused where they only look like another one."""

from __future__ import annotations

import unicodedata
from typing import Final

import idna
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from audit_site.db.lengths import length_of
from audit_site.tenants.fields import invalid
from audit_site.tenants.models import User

#: Scripts that are written together, by the first word of their letters' names.
JAPANESE: Final = frozenset({"CJK", "HIRAGANA", "KATAKANA"})
#: Latin letters without a form in ASCII that nobody takes for another letter.
OWN_LATIN: Final = frozenset("ßæœøđłþð")
MOST_SHOWN: Final = 100


def clean_address(text: str, field: str = "email") -> str:
    """The one form in which an address is kept and compared; FieldErrors for what is none.

    NFKC, small letters, and a domain as DNS knows it. Two addresses are the same exactly if their
    forms are. One whose letters are of several scripts, or only look like others, is refused: which
    address is meant would be a guess.
    """
    address = unicodedata.normalize("NFKC", text).strip()
    local, _, domain = address.rpartition("@")
    shown = address[:MOST_SHOWN]
    try:
        if _has_look_alikes(local) or _has_look_alikes(_as_read(domain)):
            raise invalid(
                field,
                f"“{shown}” has letters that look like others. Type it by hand, in letters of one "
                "alphabet.",
            )
        cleaned = f"{local.lower()}@{_as_dns_knows(domain)}"
        validate_email(cleaned)
    except (ValidationError, idna.IDNAError):
        raise invalid(field, f"“{shown}” is not an e-mail address.") from None
    if len(cleaned) > length_of(User, "email"):
        raise invalid(field, f"“{shown}…” is too long for an e-mail address.")
    return cleaned


def _as_read(domain: str) -> str:
    """A domain in its own letters; browsers send it as DNS knows it."""
    return idna.decode(domain) if "xn--" in domain.lower() else domain


def _as_dns_knows(domain: str) -> str:
    lower = domain.lower()
    return lower if lower.isascii() else idna.encode(lower, uts46=True).decode()


def _has_look_alikes(text: str) -> bool:
    """Whether letters are of more than one script, or Latin ones of a form of their own."""
    letters = [char for char in text if char.isalpha()]
    scripts = {_script(char) for char in letters}
    if len(scripts) > 1 and not scripts <= JAPANESE:
        return True
    return scripts == {"LATIN"} and any(not _is_plain(char) for char in letters)


def _script(char: str) -> str:
    return unicodedata.name(char, "?").split()[0]


def _is_plain(char: str) -> bool:
    """Whether a letter is one of ASCII, with accents or without, or unlike any of these."""
    base = unicodedata.normalize("NFKD", char.lower())[0]
    return base.isascii() or base in OWN_LATIN
