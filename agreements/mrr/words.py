"""What people said that the words of a PSA mean, where the PSA's own page does not say it.

An adapter hands over `{"unknown": word}` for a cycle that it does not know, and the word itself for
a currency. A choice holds for all agreements of one account, and names who made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from msgspec import Struct

CYCLE: Final = "cycle"
CURRENCY: Final = "currency"
STATUS: Final = "status"
AGREEMENT_TYPE: Final = "agreement_type"
PRODUCT: Final = "product"

#: What the words of a kind are called in a sentence.
CALLED: Final = {
    CYCLE: "billing cycle",
    CURRENCY: "currency",
    STATUS: "status",
    AGREEMENT_TYPE: "type",
    PRODUCT: "product",
}


class WordChoice(Struct, frozen=True):
    """What a word means in one account.

    `meaning` by kind: a canonical cycle or structure; a code of ISO 4217; `active` or `not_active`;
    `count` or `leave_out`; `usage`, `one_time` or `recurring`. `by` and `on`: who said so, when.
    """

    kind: str
    word: str
    meaning: Any
    by: str = ""
    on: date | None = None

    @property
    def sentence(self) -> str:
        """For people, in a ledger."""
        by = f" (said by {self.by}{f' on {self.on}' if self.on else ''})" if self.by else ""
        meaning = self.meaning
        if isinstance(meaning, Mapping):
            meaning = f"every {meaning.get('every')} {meaning.get('unit')}s"
        meaning = str(meaning).replace("_", " ")
        return f'The {CALLED.get(self.kind, self.kind)} "{self.word}" means {meaning} here{by}.'


#: Choices by account, kind, and the word as `word_key` writes it.
Words = Mapping[tuple[str, str, str], WordChoice]
NO_WORDS: Final[Words] = {}


def word_key(word: str) -> str:
    """A word without its case and its runs of blanks."""
    return " ".join(word.split()).casefold()


def unknown_word(cycle: Any) -> str:
    """The word of a cycle that its adapter did not know; "" when it knew it."""
    word = cycle.get("unknown") if isinstance(cycle, Mapping) else None
    return word if isinstance(word, str) else ""


def choice_of(words: Words, account: str, kind: str, word: str) -> WordChoice | None:
    """What a person said that a word means."""
    return words.get((account, kind, word_key(word))) if words and word else None
