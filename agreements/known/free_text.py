"""The free text of what is kept of a book: names, products, descriptions, labels.

Numbers, dates, ids, and the words that money depends on are none: they stay byte by byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from agreements import mrr
from agreements.known import values
from agreements.known.editions import Rules
from agreements.mrr.words import PRODUCT, word_key

Change = Callable[[str], str]
#: A text as an array, and each item of it as it was written.
Items = list[msgspec.Raw]
Line = list[Items | msgspec.Raw]

#: Fields never move in what is kept: each edition has them in the same place.
NAME: Final = mrr.Agreement.__struct_fields__.index("name")
LINE_PRODUCT: Final = mrr.Line.__struct_fields__.index("product")
CYCLE_LABEL: Final = values.ShownAgreement._fields.index("cycle_label")
DESCRIPTION: Final = values.ShownLine._fields.index("description")

ITEMS: Final = msgspec.json.Decoder(Items)
FIRST: Final = msgspec.json.Decoder(tuple[Items, Items, list[Items]])
MORE: Final = msgspec.json.Decoder(list[Items])
WORD: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def free_texts(key: values.Key, text: bytes) -> Iterator[str]:
    """Each free text in a text of a book."""
    found: list[str] = []

    def noted(free: str) -> str:
        found.append(free)
        return free

    with_changes(key, text, noted)
    yield from found


def with_changes(key: values.Key, text: bytes, change: Change) -> bytes:
    """A text of a book with each free text in it changed."""
    if key == values.FRAME:
        return _frame(text, change)
    if key[1] == 0:
        agreement, shown, lines = FIRST.decode(text)
        _change_item(agreement, NAME, change)
        _change_item(shown, CYCLE_LABEL, change)
        return values.encode([agreement, shown, [_line(line, change) for line in lines]])
    return values.encode([_line(line, change) for line in MORE.decode(text)])


def check(key: values.Key, text: bytes, rules: Rules) -> None:
    """Raises where these rules can't read a text."""
    if key != values.FRAME:
        (rules.more if key[1] else rules.first).decode(text)
        return
    frame = values.read_frame(text)
    for item in frame.context:
        rules.agreement.decode(item)
    for *_, word in frame.words:
        rules.word.decode(word)


def _frame(text: bytes, change: Change) -> bytes:
    frame = values.read_frame(text)
    frame.context = [_named(item, change) for item in frame.context]
    frame.words = [
        (account, kind, _key(kind, key, change), _word(word, change))
        for account, kind, key, word in frame.words
    ]
    return values.encode(frame)


def _named(item: msgspec.Raw, change: Change) -> msgspec.Raw:
    agreement = ITEMS.decode(item)
    _change_item(agreement, NAME, change)
    return msgspec.Raw(values.encode(agreement))


def _key(kind: str, key: str, change: Change) -> str:
    """A word is still found by its key: products change, and no word of another kind does."""
    return word_key(change(key)) if kind == PRODUCT else key


def _word(item: msgspec.Raw, change: Change) -> msgspec.Raw:
    word = WORD.decode(item)
    _change_item(word, "word", change)
    return msgspec.Raw(values.encode(word))


def _line(items: Items, change: Change) -> Line:
    line, shown = ITEMS.decode(items[0]), ITEMS.decode(items[1])
    _change_item(line, LINE_PRODUCT, change)
    _change_item(shown, DESCRIPTION, change)
    return [line, shown, *items[2:]]


def _change_item(items: Any, place: Any, change: Change) -> None:
    free = msgspec.json.decode(items[place])
    if isinstance(free, str):
        items[place] = msgspec.Raw(values.encode(change(free)))
