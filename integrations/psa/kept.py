"""Answers of a reading that may not come to its end: the next attempt asks for the rest alone.

A PSA may say "not now" in the middle of what is only of use as a whole, such as all contracts of a
company with their lines. What it had answered by then is kept, and given again when the next
attempt asks the same question, so that each question is asked once however often it waits. Within
one attempt nothing is given twice: who asks again wants to know whether something has changed.

An answer is kept for a part of the reading (some companies) or for all of it (a list that every
part needs). Only good answers are kept, and refusals of a right: what may pass is asked again.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, Literal, Protocol

import msgspec

#: A reading keeps no more than this in the memory of its worker, which may have several under way;
#: what comes on top is asked again after a wait.
MOST_BYTES: Final = 64 * 1024 * 1024
#: For what an answer is kept: for nothing, for the part that is being read, or for the reading.
Keep = Literal["no", "part", "reading"]


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A good answer as it came, with the headers that say something about lists; and when."""

    status: int
    link: str | None
    content_type: str
    content: bytes
    at: datetime


class AnswerKeeper(Protocol):
    """What an HTTP client asks before it asks the PSA."""

    def known(self, question: str) -> KeptAnswer | None: ...

    def note(self, question: str, answer: KeptAnswer, keep: Keep) -> None: ...


class KeepsNothing:
    """Every question is asked."""

    def known(self, question: str) -> KeptAnswer | None:
        return None

    def note(self, question: str, answer: KeptAnswer, keep: Keep) -> None:
        return


def question_of(asked: Sequence[Any]) -> str:
    """A short text that is the same for the same question; nothing can be read from it."""
    return blake2b(msgspec.json.encode(asked, order="sorted"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """A kept answer, for which part it is (0 = for the reading), and whether it is stored."""

    question: str
    answer: KeptAnswer
    part: int
    is_stored: bool = False


#: Part of what earlier attempts had kept for the part that they could not finish.
FIRST_PART: Final = 1
WHOLE_READING: Final = 0


class KeptAnswers:
    """Keeps answers while a reading lasts; used by several threads.

    A reading consists of parts that are read one after the other, each numbered (`next_part`), and
    forgotten when it is stored (`forget`). Outside of a reading nothing is kept.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        #: Questions of earlier attempts that this one has yet to ask.
        self._earlier: set[str] = set()
        self._bytes = 0
        self._part: int | None = None
        self._began = datetime.now(UTC)
        self._lock = threading.Lock()

    # A reading

    def begin(self, entries: list[Entry]) -> None:
        """Begin a reading, or go on with what an earlier attempt had kept of it."""
        with self._lock:
            self._entries = {entry.question: entry for entry in entries}
            self._earlier = set(self._entries)
            self._bytes = sum(len(entry.answer.content) for entry in entries)
            self._part, self._began = WHOLE_READING, datetime.now(UTC)

    def end(self) -> None:
        with self._lock:
            self._entries, self._earlier, self._part = {}, set(), None

    def next_part(self) -> int:
        """Begin the next part; returns its number."""
        with self._lock:
            self._part = (self._part or 0) + 1
            self._began = datetime.now(UTC)
            return self._part

    def part_began(self) -> datetime:
        """From when the oldest of the answers is that were given again in this part, or when it
        began: what has changed since then may not be in them.
        """
        with self._lock:
            return self._began

    def forget(self, part: int) -> bool:
        """Forget what was kept for this part and those before; True if some of it is stored."""
        with self._lock:
            over = [e for e in self._entries.values() if WHOLE_READING < e.part <= part]
            for entry in over:
                del self._entries[entry.question]
                self._bytes -= len(entry.answer.content)
            return any(entry.is_stored for entry in over)

    def take_new(self) -> list[Entry]:
        """What has been kept since this was asked last; it counts as stored from now on."""
        with self._lock:
            new = [entry for entry in self._entries.values() if not entry.is_stored]
            self._entries |= {entry.question: replace(entry, is_stored=True) for entry in new}
            return new

    # Questions

    def known(self, question: str) -> KeptAnswer | None:
        with self._lock:
            entry = self._entries.get(question)
            if entry is None or question not in self._earlier:
                return None
            self._earlier.discard(question)
            self._began = min(self._began, entry.answer.at)
            return entry.answer

    def note(self, question: str, answer: KeptAnswer, keep: Keep) -> None:
        with self._lock:
            if self._part is not None and keep != "no" and self._bytes < MOST_BYTES:
                part = self._part if keep == "part" else WHOLE_READING
                before = self._entries.get(question)
                self._bytes += len(answer.content) - (len(before.answer.content) if before else 0)
                self._entries[question] = Entry(question, answer, part)
