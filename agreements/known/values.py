"""A company's book as texts, packed to be kept for years.

An agreement is one text, or several where it has many lines; what all agreements are read with (the
*frame*) is another. Each is JSON, exactly what the engine is given, with our ids and what pages
show beside. A text of which a former one is kept is packed as its difference from that one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from agreements.books import AgreementText, CompanyText

#: Lines of an agreement that are kept together: a text has to be shorter than `WINDOW`.
MOST_LINES: Final = 100
#: How far zlib looks back.
WINDOW: Final = 32_768
LEVEL: Final = 1
#: The texts of a book, each by the agreement's id (None = the frame) and its part.
Key = tuple[str | None, int]
Texts = dict[Key, bytes]
FRAME: Final[Key] = (None, 0)


class Frame(msgspec.Struct, omit_defaults=True):
    """What a book's agreements are read with. What belongs to an engine is JSON still."""

    edition: int
    currency: str
    timezone: str
    sources: dict[str, msgspec.Raw]
    words: list[tuple[str, str, str, msgspec.Raw]] = []
    context: list[msgspec.Raw] = []


class ShownAgreement(NamedTuple):
    """What is shown of an agreement beside what the engine is given."""

    id: UUID
    cycle_label: str = ""
    gone_at: datetime | None = None


class ShownLine(NamedTuple):
    id: UUID
    description: str = ""


FRAMES: Final = msgspec.json.Decoder(Frame)
encode: Final = msgspec.json.encode


def texts_of(book: CompanyText, *, edition: int, currency: str, timezone: str) -> Texts:
    """The texts of a book, in the order of its agreements."""
    frame = Frame(
        edition,
        currency,
        timezone,
        {name: msgspec.Raw(encode(source)) for name, source in book.sources.items()},
        [(*key, msgspec.Raw(encode(word))) for key, word in book.words.items()],
        [msgspec.Raw(item.engine.encode()) for item in book.context],
    )
    texts: Texts = {FRAME: encode(frame)}
    for id_, agreement in book.agreements.items():
        for part, text in enumerate(_parts(agreement)):
            texts[id_, part] = text
    return texts


def _parts(agreement: AgreementText) -> Iterator[bytes]:
    """`[the agreement, what is shown of it, its lines]`, then more lines: `[lines]`."""
    lines = agreement.lines
    first = ",".join(lines[:MOST_LINES])
    yield f"[{agreement.engine},{agreement.shown},[{first}]]".encode()
    for start in range(MOST_LINES, len(lines), MOST_LINES):
        yield f"[{','.join(lines[start : start + MOST_LINES])}]".encode()


def digest_of(texts: Mapping[Key, bytes]) -> str:
    """Differs where anything in a book does."""
    found = blake2b(digest_size=16)
    for (agreement, part), text in texts.items():
        found.update(f"{agreement}:{part}:{len(text)}:".encode())
        found.update(text)
    return found.hexdigest()


def pack(text: bytes) -> bytes:
    return zlib.compress(text, LEVEL)


def pack_difference(text: bytes, base: bytes) -> bytes:
    packer = zlib.compressobj(LEVEL, zdict=base[-WINDOW:])
    return packer.compress(text) + packer.flush()


def unpack(value: bytes | memoryview, base: bytes | memoryview | None = None) -> bytes:
    """The text of a value; `base` is the value from which it is a difference."""
    if base is None:
        return zlib.decompress(value)
    opener = zlib.decompressobj(zdict=zlib.decompress(base)[-WINDOW:])
    return opener.decompress(bytes(value)) + opener.flush()


def read_frame(text: bytes) -> Frame:
    return FRAMES.decode(text)


def as_key(agreement: Any, part: int) -> Key:
    return (str(agreement) if agreement else None), part
