"""Names of companies so that two ways to write one are equal."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from integrations.matching.legal_endings import without_endings

#: Letters that no decomposition takes apart.
LETTERS: Final = str.maketrans(
    {
        "ø": "o",
        "æ": "ae",
        "œ": "oe",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "\u0131": "i",
        "ħ": "h",
    }
)
#: How German, Danish and Swedish names are written where there are no such letters.
SPELT_OUT: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"}
)
APOSTROPHES: Final = re.compile("['`\u00b4\u02bc\u2018\u2019]")
WORD: Final = re.compile(r"[^\W_]+")
#: Written into a name without a blank.
IN_ONE_PIECE: Final = re.compile("(株式会社|有限会社|合同会社)")
CONNECTING: Final = frozenset({"and", "und", "et", "og", "och", "the"})
#: Words that a name may have or not.
COMMON: Final = frozenset(
    {"co", "company", "firm", "group", "office", "service", "services", "team"}
)
MOST_WORDS: Final = 40


@dataclass(frozen=True, slots=True)
class Name:
    """A name as it is compared. `words` in their order; none = it says nothing.

    `endings` are the legal ones, which are not among the words. `spellings`: the words as a text,
    in each way to write the letters that have two; `pieces`: the same without blanks. `key` is
    equal for the same words in any order.
    """

    words: tuple[str, ...]
    endings: frozenset[str]
    spellings: frozenset[str]
    pieces: frozenset[str]
    key: str
    glued: str

    @property
    def is_short(self) -> bool:
        """Too short to say much: one or two letters. Of ideographs two say enough."""
        return len(self.glued) < (3 if self.glued.isascii() else 2)

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in self.words)


def read_name(text: str) -> Name:
    """A name without case, accents, punctuation, connecting words and legal endings."""
    words, endings = without_endings(_words(text))
    spellings = {" ".join(words)}
    spelt_out = unicodedata.normalize("NFC", text).translate(SPELT_OUT)
    if spelt_out != text:
        spellings.add(" ".join(without_endings(_words(spelt_out))[0]))
    spellings.discard("")
    pieces = frozenset(spelling.replace(" ", "") for spelling in spellings)
    key, glued = " ".join(sorted(words)), "".join(words)
    return Name(words, endings, frozenset(spellings), pieces, key, glued)


def _words(text: str) -> tuple[str, ...]:
    found = WORD.findall(IN_ONE_PIECE.sub(r" \1 ", _folded(APOSTROPHES.sub("", text))))
    chosen = [word for word in found if word not in CONNECTING] or found
    return tuple(_with_initials(chosen)[:MOST_WORDS])


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    return unicodedata.normalize("NFC", plain).translate(LETTERS)


def _with_initials(words: list[str]) -> list[str]:
    """Single letters in a row are one word: "A.B.C.", "S. A."."""
    joined: list[str] = []
    letters = ""
    for word in words:
        if len(word) == 1 and word.isascii() and word.isalpha():
            letters += word
            continue
        joined += [letters, word] if letters else [word]
        letters = ""
    return [*joined, letters] if letters else joined
