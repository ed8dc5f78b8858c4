"""The rule: how sure it is that an audITee and a company of a PSA are the same one, and why.

Pure: no database. docs/matching.md publishes it with its table of cases, which a test reads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Final

from rapidfuzz.distance import OSA

from integrations.matching.contact_points import address_of, domain_of, number_of
from integrations.matching.names import COMMON, Name, read_name

#: From so many points on a pair is suggested.
SUGGEST_FROM: Final = 60
#: From so many on it is sure enough to be confirmed together with others, unread.
SURE_FROM: Final = 90
#: Two whose points are less than this apart are equally good: none of them is suggested.
LEAD: Final = 3
#: What is sure is further than this from any other.
SURE_LEAD: Final = 10

#: Points of the names; the first that is true counts.
NAME_POINTS: Final[Mapping[str, int]] = {
    "same_name": 80,
    "same_words": 78,
    "other_ending": 72,
    "short_name": 55,
    "common_word": 66,
    "similar_name": 0,  # by their distance, see `_similar`
    "name_within": 40,
    "initials": 40,
    "another_word": 0,
    "names_differ": 0,
}
#: Points for and against, added to those of the names.
OTHER_POINTS: Final[Mapping[str, int]] = {
    "same_domain": 12,
    "same_email": 12,
    "shared_domain": 4,
    "other_domain": -15,
    "nothing_in_common": -25,
    "same_phone": 10,
    "shared_phone": 3,
}
#: A domain and a number that nobody else has are the same, and the names say nothing against it.
SAME_DOMAIN_AND_PHONE: Final = 64
SAME_TWICE: Final = (["same_domain", "same_phone"], ["same_email", "same_phone"])

MESSAGES: Final[Mapping[str, str]] = {
    "same_name": "Same name.",
    "same_words": "Same words in the name, written or ordered in another way.",
    "other_ending": "Same name, but for the legal ending.",
    "short_name": "Same name, but it is too short to say much.",
    "common_word": "Same name, but for a common word.",
    "similar_name": "The names differ by a letter or two.",
    "name_within": "One name is a part of the other.",
    "initials": "One name is the initials of the other.",
    "another_word": "The names share a word, and each has another one.",
    "names_differ": "The names differ.",
    "same_domain": "Same e-mail domain ({}).",
    "same_email": "Same e-mail address.",
    "shared_domain": "Same e-mail domain ({}), which others have as well.",
    "other_domain": "The e-mail domains differ.",
    "nothing_in_common": "Neither e-mail domain nor phone number is the same.",
    "same_phone": "Same phone number.",
    "shared_phone": "Same phone number, which others have as well.",
}


@dataclass(frozen=True, slots=True)
class Profile:
    """What is compared of a company: its name, and what its people are reached by.

    Phone numbers are their last digits, domains those of the company's own.
    """

    name: Name
    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()


def profile_of(name: str, emails: Iterable[str] = (), phones: Iterable[str] = ()) -> Profile:
    """A company as the rule sees it."""
    emails = list(emails)
    return Profile(
        read_name(name),
        frozenset(filter(None, map(address_of, emails))),
        frozenset(filter(None, map(domain_of, emails))),
        frozenset(filter(None, map(number_of, phones))),
    )


@dataclass(frozen=True, slots=True)
class Shared:
    """What more than one company of a side is reached by: it tells less."""

    addresses: Collection[str] = frozenset()
    domains: Collection[str] = frozenset()
    numbers: Collection[str] = frozenset()


NOTHING_SHARED: Final = Shared()


@dataclass(frozen=True, slots=True)
class Match:
    """How sure it is, 0 to 100, and why: codes with the value that they name ("" = none)."""

    score: int
    reasons: tuple[tuple[str, str], ...]

    @property
    def codes(self) -> list[str]:
        return [code for code, _ in self.reasons]


def sentence(code: str, value: str = "") -> str:
    """What a reason says."""
    return MESSAGES[code].format(value)


def compare(ours: Profile, theirs: Profile, shared: Shared = NOTHING_SHARED) -> Match:
    """How sure it is that the two are the same company."""
    code, points = compare_names(ours.name, theirs.name)
    more = [*_by_mail(ours, theirs, shared), *_by_phone(ours, theirs, shared)]
    score = points + sum(OTHER_POINTS[code] for code, _ in more)
    if code != "another_word" and [code for code, _ in more] in SAME_TWICE:
        score = max(score, SAME_DOMAIN_AND_PHONE)
    return Match(min(max(score, 0), 100), ((code, ""), *more))


# Names


def compare_names(ours: Name, theirs: Name) -> tuple[str, int]:
    """What two names have in common, and the points of that."""
    if not ours.words or not theirs.words:
        return "names_differ", 0
    if ours.key == theirs.key or ours.pieces & theirs.pieces:
        code = _same(ours, theirs)
        return code, NAME_POINTS[code]
    only_ours, only_theirs = _differing(ours, theirs)
    if not only_ours or not only_theirs:
        code = _within(ours, theirs, only_ours or only_theirs)
        return code, NAME_POINTS[code]
    if _is_spelt_alike(only_ours, only_theirs) or _is_alike_in_one_piece(ours, theirs):
        return "similar_name", _similar(ours, theirs)
    if _is_initials(ours, theirs) or _is_initials(theirs, ours):
        return "initials", NAME_POINTS["initials"]
    return ("another_word" if {*ours.words} & {*theirs.words} else "names_differ"), 0


def _same(ours: Name, theirs: Name) -> str:
    if ours.is_short:
        return "short_name"
    if ours.endings and theirs.endings and not ours.endings & theirs.endings:
        return "other_ending"
    return "same_name" if ours.spellings & theirs.spellings else "same_words"


def _differing(ours: Name, theirs: Name) -> tuple[list[str], list[str]]:
    only_ours, only_theirs = list(ours.words), list(theirs.words)
    for word in ours.words:
        if word in only_theirs:
            only_ours.remove(word)
            only_theirs.remove(word)
    return sorted(only_ours), sorted(only_theirs)


def _within(ours: Name, theirs: Name, rest: list[str]) -> str:
    if min(ours, theirs, key=lambda name: len(name.glued)).is_short:
        return "names_differ"
    return "common_word" if COMMON.issuperset(rest) else "name_within"


def _is_spelt_alike(ours: list[str], theirs: list[str]) -> bool:
    """Whether each word has one on the other side that is the same but for slips."""
    if len(ours) != len(theirs) or len(ours) > 2:
        return False
    return any(all(map(_is_slip, ours, order)) for order in permutations(theirs))


def _is_slip(one: str, other: str) -> bool:
    """Whether two words are one with a slip of the pen; a number never is another number."""
    shorter = min(len(one), len(other))
    if shorter < 4 or not (one.isalpha() and other.isalpha()):
        return False
    most = 2 if shorter >= 8 else 1
    return OSA.distance(one, other, score_cutoff=most) <= most


def _is_alike_in_one_piece(ours: Name, theirs: Name) -> bool:
    """Whether only blanks and one slip are between two names: "Bright Watr", "Brightwater"."""
    if len(ours.words) == len(theirs.words):
        return False
    one, other = ours.glued, theirs.glued
    if min(len(one), len(other)) < 8 or not (one.isalpha() and other.isalpha()):
        return False
    return OSA.distance(one, other, score_cutoff=1) <= 1


def _similar(ours: Name, theirs: Name) -> int:
    """40 to 75: the longer the names, the less a slip matters."""
    same = OSA.normalized_similarity(ours.key.replace(" ", ""), theirs.key.replace(" ", ""))
    return round(40 + 35 * same)


def _is_initials(short: Name, long: Name) -> bool:
    letters = long.initials
    return len(letters) >= 3 and len(short.words) == 1 and short.glued == letters


# How they are reached


def _by_mail(ours: Profile, theirs: Profile, shared: Shared) -> list[tuple[str, str]]:
    same = sorted(ours.domains & theirs.domains)
    if same:
        own = [domain for domain in same if domain not in shared.domains]
        return [("same_domain", own[0]) if own else ("shared_domain", same[0])]
    addresses = ours.addresses & theirs.addresses
    if any(address not in shared.addresses for address in addresses):
        return [("same_email", "")]
    if not ours.domains or not theirs.domains:
        return []
    calls_another = ours.numbers and theirs.numbers and not ours.numbers & theirs.numbers
    return [("nothing_in_common" if calls_another else "other_domain", "")]


def _by_phone(ours: Profile, theirs: Profile, shared: Shared) -> list[tuple[str, str]]:
    same = ours.numbers & theirs.numbers
    if not same:
        return []
    return [("shared_phone" if same.issubset(shared.numbers) else "same_phone", "")]
