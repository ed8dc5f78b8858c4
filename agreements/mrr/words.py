"""What people said that the words of a PSA mean, where the PSA's own page does not say it.

An adapter hands over `{"unknown": word}` for a cycle that it does not know, and the word itself for
a currency. A choice holds for all agreements of one account, and names who made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from msgspec import Struct

from agreements.mrr.currencies import currency_code
from agreements.mrr.cycles import CYCLE_NAMES, read_cycle

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
#: What a word of a kind may mean. A cycle may also be `{"every": N, "unit": …}`; a currency is any
#: code of ISO 4217.
MEANINGS: Final[dict[str, tuple[str, ...]]] = {
    CYCLE: CYCLE_NAMES,
    CURRENCY: (),
    STATUS: ("active", "not_active"),
    AGREEMENT_TYPE: ("count", "leave_out"),
    PRODUCT: ("recurring", "usage", "one_time"),
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
        on = f" on {self.on.day} {self.on:%b %Y}" if self.on else ""
        by = f", said by {self.by}{on}" if self.by else ""
        called = CALLED.get(self.kind, self.kind)
        return f'The {called} "{self.word}" {self._does} here{by}.'

    @property
    def _does(self) -> str:
        if self.kind == AGREEMENT_TYPE:
            return "counts" if self.meaning == "count" else "is left out"
        return f"means {meaning_text(self.meaning)}"


#: Choices by account, kind, and the word as `word_key` writes it.
Words = Mapping[tuple[str, str, str], WordChoice]
NO_WORDS: Final[Words] = {}


def meaning_text(meaning: Any) -> str:
    """A meaning as a sentence has it: `every 2 months`, `not active`."""
    if not isinstance(meaning, Mapping):
        return str(meaning).replace("_", " ")
    every, unit = meaning.get("every"), meaning.get("unit")
    return f"every {unit}" if every == 1 else f"every {every} {unit}s"


def cycle_text(cycle: Any) -> str:
    """A cycle as a sentence has it, an unknown one by its word; "" = there is none."""
    return unknown_word(cycle) or (meaning_text(cycle) if cycle else "")


def read_meaning_of(kind: str, said: Any) -> Any:
    """What somebody said that a word of a kind means, in the one way that it is written here.

    `yearly` is `annual`, `eur` is `EUR`. None = no word of this kind means that.
    """
    if kind == CYCLE:
        return _read_cycle_said(said)
    if not isinstance(said, str):
        return None
    if kind == CURRENCY:
        return currency_code(said) or None
    return said if said in MEANINGS.get(kind, ()) else None


def _read_cycle_said(said: Any) -> Any:
    cycle = read_cycle(said)
    if cycle is None:
        return None
    if isinstance(said, Mapping):
        parts = {name: said[name] for name in ("every", "unit")}
        return parts if parts == said else None
    return cycle.name


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


def words_of_agreement(agreement: Any) -> list[tuple[str, str]]:
    """Kind and key of each word that an agreement itself has; what they mean may be said."""
    return _keys(
        (CYCLE, unknown_word(agreement.own_cycle)),
        (CURRENCY, agreement.currency),
        (STATUS, agreement.status),
        (AGREEMENT_TYPE, agreement.type),
    )


def words_of_line(line: Any) -> list[tuple[str, str]]:
    """As `words_of_agreement`, of a line."""
    return _keys((CYCLE, unknown_word(line.own_cycle)), (PRODUCT, line.product))


def _keys(*words: tuple[str, str]) -> list[tuple[str, str]]:
    return [(kind, word_key(word)) for kind, word in words if word]
