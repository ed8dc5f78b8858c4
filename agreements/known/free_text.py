"""The free text of what is kept of a book: names, descriptions, labels, and the PSA's own words.

Words are types, statuses, products, and cycles that nobody knows. Money depends on what was said of
them, so that a word changes wherever it stands, also where it was said what it means. Numbers,
dates, ids and currencies are no free text: they stay byte by byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from agreements import mrr
from agreements.known import values
from agreements.known.editions import Rules
from agreements.mrr.words import CURRENCY, unknown_word, word_key

Change = Callable[[str], str]
#: A text as an array, and each item of it as it was written.
Items = list[msgspec.Raw]
Line = list[Items | msgspec.Raw]

#: Fields never move in what is kept: each edition has them in the same place.
NAME: Final = mrr.Agreement.__struct_fields__.index("name")
WORDS: Final = [
    mrr.Agreement.__struct_fields__.index(name) for name in ("type", "status", "former_type")
]
CYCLE: Final = mrr.Agreement.__struct_fields__.index("cycle")
LINE_PRODUCT: Final = mrr.Line.__struct_fields__.index("product")
LINE_CYCLE: Final = mrr.Line.__struct_fields__.index("cycle")
CYCLE_LABEL: Final = values.ShownAgreement._fields.index("cycle_label")
DESCRIPTION: Final = values.ShownLine._fields.index("description")

#: What is written as text and is none.
A_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")

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


def all_texts(_: values.Key, text: bytes) -> Iterator[str]:
    """Whatever is text in a text of a book, ids too, but no numbers."""
    yield from (found for found in _texts_in(msgspec.json.decode(text)) if not _is_number(found))


def _is_number(text: str) -> bool:
    return A_NUMBER.fullmatch(text) is not None


def _texts_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _texts_in(item)
        case dict():
            for item in value.values():
                yield from _texts_in(item)


def with_changes(key: values.Key, text: bytes, change: Change) -> bytes:
    """A text of a book with each free text in it changed."""
    if key == values.FRAME:
        return _frame(text, change)
    if key[1] == 0:
        agreement, shown, lines = FIRST.decode(text)
        _change_agreement(agreement, change)
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
    _change_agreement(agreement, change)
    return msgspec.Raw(values.encode(agreement))


def _key(kind: str, key: str, change: Change) -> str:
    """A word is still found by its key: it changes as the word does on what has it."""
    return key if kind == CURRENCY else word_key(_changed_word(key, change))


def _word(item: msgspec.Raw, change: Change) -> msgspec.Raw:
    word = WORD.decode(item)
    said: str = msgspec.json.decode(word["word"])
    word["word"] = msgspec.Raw(values.encode(_changed_word(said, change)))
    return msgspec.Raw(values.encode(word))


def _line(items: Items, change: Change) -> Line:
    line, shown = ITEMS.decode(items[0]), ITEMS.decode(items[1])
    _change_item(line, LINE_PRODUCT, lambda text: _changed_word(text, change))
    _change_cycle(line, LINE_CYCLE, change)
    _change_item(shown, DESCRIPTION, change)
    return [line, shown, *items[2:]]


def _change_agreement(agreement: Items, change: Change) -> None:
    _change_item(agreement, NAME, change)
    for place in WORDS:
        _change_item(agreement, place, lambda text: _changed_word(text, change))
    _change_cycle(agreement, CYCLE, change)


def _change_cycle(items: Items, place: int, change: Change) -> None:
    """Of a cycle, only the word that nobody knew is one."""
    cycle: Any = msgspec.json.decode(items[place]) if place < len(items) else None
    if word := unknown_word(cycle):
        changed = {**cycle, "unknown": _changed_word(word, change)}
        items[place] = msgspec.Raw(values.encode(changed))


def _changed_word(word: str, change: Change) -> str:
    """A word without its runs of blanks, changed; as it was where nothing in it changes.

    So it changes on an agreement if, and only if, its key does.
    """
    plain = " ".join(word.split())
    changed = change(plain)
    return word if changed == plain else changed


def _change_item(items: Items, place: int, change: Change) -> None:
    if place >= len(items):  # former editions had fewer fields
        return
    free = msgspec.json.decode(items[place])
    if isinstance(free, str):
        items[place] = msgspec.Raw(values.encode(change(free)))
