"""Which engine reads which books: each version of a book is read by the engine of its edition.

One engine knows what each edition did (`agreements.mrr.edition`); one that was replaced whole would
stand here under the numbers of its editions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import msgspec

from agreements import mrr
from agreements.known.values import Frame, ShownAgreement, ShownLine
from agreements.mrr.edition import EDITIONS, edition_of


@dataclass(frozen=True)
class Rules:
    """An edition of the engine: a package that has what `agreements.mrr` exports.

    Its types read what was kept under it. They may gain fields at their end, with defaults.
    """

    edition: int
    engine: Any
    agreement: msgspec.json.Decoder[Any] = field(init=False)
    first: msgspec.json.Decoder[Any] = field(init=False)
    more: msgspec.json.Decoder[Any] = field(init=False)
    word: msgspec.json.Decoder[Any] = field(init=False)
    source: msgspec.json.Decoder[Any] = field(init=False)

    def __post_init__(self) -> None:
        line: Any = msgspec.defstruct(
            "KeptLine",
            [("line", self.engine.Line), ("shown", ShownLine), ("gone_from", date | None, None)],
            array_like=True,
        )
        lines = list[line]
        whole = tuple[self.engine.Agreement, ShownAgreement, lines]  # type: ignore[name-defined]
        types = {
            "agreement": self.engine.Agreement,
            "first": whole,
            "more": lines,
            "word": self.engine.WordChoice,
            "source": self.engine.Source,
        }
        for name, type_ in types.items():
            decoder = msgspec.json.Decoder(type_, strict=False)
            object.__setattr__(self, name, decoder)

    def book(self, agreements: list[Any], frame: Frame) -> Any:
        """The book of these agreements, read with this frame."""
        context = [self.agreement.decode(item) for item in frame.context]
        for item in context:
            item.is_context = True
        return self.engine.Book(
            [*agreements, *context],
            frame.currency,
            {name: self.source.decode(source) for name, source in frame.sources.items()},
            {
                (account, kind, key): self.word.decode(word)
                for account, kind, key, word in frame.words
            },
            edition_of(self.edition),
        )


#: Every edition under which books were kept.
RULES: Final[dict[int, Rules]] = {number: Rules(number, mrr) for number in EDITIONS}


def current() -> Rules:
    """The rules of today."""
    return RULES[max(RULES)]


def rules_of(edition: int) -> Rules:
    """The rules of an edition. A process that has not been restarted since a release reads what a
    newer one kept by the newest that it knows.
    """
    return RULES.get(edition) or current()


@contextmanager
def in_force(rules: Rules) -> Iterator[None]:
    """Within: as if a release had brought these rules."""
    RULES[rules.edition] = rules
    try:
        yield
    finally:
        del RULES[rules.edition]
