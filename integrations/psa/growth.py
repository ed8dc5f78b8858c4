"""How many requests at once an account takes: a few more while it answers as quickly as at first
and refuses nothing, half as many when it refuses.

Pure: who asks passes the time, and keeps what is returned (`integrations.connecting`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Final

#: Answers may take so many times as long as the first ones of their kind.
BEARABLE: Final = 1.5
#: The median of so many answers of a kind is its first time.
FIRST_ANSWERS: Final = 5
#: Nobody is slow who answers within this: what is measured there is mostly ourselves.
QUICK_SECONDS: Final = 0.05
#: Of what was too much, this is left when answers get slow; of what was refused, half.
LEFT_WHEN_SLOW: Final = 0.75
#: For so long nobody asks as much at once as was refused.
LEARNED_SECONDS: Final = 600.0
#: When nobody has asked for so long, it begins anew: the PSA may have more or less to do by then.
QUIET_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """The last refusal: how many at once it left, the most until it is forgotten (`ceiling`, None =
    it says nothing about that), when it was, and until when nobody asks.
    """

    places: int
    at: float
    until: float = 0.0
    ceiling: int | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """What answers have shown: how many at once are well, and the first times by kind of question.

    `refused_at`: of the refusal that it knows; a later one makes it void. `at`: when it was noted.
    """

    limit: int
    at: float
    refused_at: float = 0.0
    first_times: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Growth:
    """From how many at once on, and up to how many."""

    start: int
    most: int

    def limit(self, refusal: Refusal | None, pace: Pace | None, now: float) -> int:
        """How many may be under way now."""
        limit = self.start
        if refusal is not None and now - refusal.at < LEARNED_SECONDS:
            limit = refusal.places
        else:
            refusal = None
        if pace is not None and now - pace.at < QUIET_SECONDS and knows(pace, refusal):
            limit = pace.limit
        return max(min(limit, self.ceiling(refusal)), 1)

    def ceiling(self, refusal: Refusal | None) -> int:
        """The most that is asked at once."""
        learned = None if refusal is None else refusal.ceiling
        return self.most if learned is None else min(self.most, learned)

    def after_round(self, limit: int, refusal: Refusal | None, *, is_slow: bool) -> int:
        """After a round of answers: one more at once, or less where they got slow."""
        if is_slow:
            return min(limit, max(self.start, int(limit * LEFT_WHEN_SLOW)))
        return min(limit + 1, self.ceiling(refusal))

    def after_refusal(
        self, limit: int, known: Refusal | None, *, now: float, until: float, teaches: bool
    ) -> Refusal:
        """Half as much at once. `teaches`: it was refused because it was too much."""
        if teaches:
            ceiling: int | None = max(limit - 1, 1)
        else:
            ceiling = known.ceiling if known and now - known.at < LEARNED_SECONDS else None
        shut = max(until, known.until if known else 0.0)
        return Refusal(max(limit // 2, 1), now, shut, ceiling)


def knows(pace: Pace, refusal: Refusal | None) -> bool:
    """Whether what answers have shown is newer than the refusal."""
    return refusal is None or pace.refused_at >= refusal.at


def said_again(refusal: Refusal, until: float, *, teaches: bool) -> Refusal:
    """After another of the requests that were under way together was refused: each that was too
    much was one too many, and the later moment counts.
    """
    ceiling = refusal.ceiling
    if teaches and ceiling is not None:
        ceiling = max(ceiling - 1, refusal.places)
    return replace(refusal, until=max(until, refusal.until), ceiling=ceiling)


class AnswerTimes:
    """Judges answers by rounds: as many as are under way at once make one.

    Each is compared with the first ones of its own kind, for a list takes longer than a record.
    """

    def __init__(self) -> None:
        self._first: dict[str, list[float]] = {}
        self._round: list[float] = []

    @property
    def first_times(self) -> dict[str, float]:
        """By kind of question, how long its first answers took; of those that are known."""
        return {
            kind: median(times)
            for kind, times in self._first.items()
            if len(times) == FIRST_ANSWERS
        }

    def adopt(self, first_times: Mapping[str, float]) -> None:
        """Take over what another worker has measured before."""
        for kind, seconds in first_times.items():
            if len(self._first.get(kind, ())) < FIRST_ANSWERS:
                self._first[kind] = [seconds] * FIRST_ANSWERS

    def begin_round(self) -> None:
        self._round.clear()

    def note(self, kind: str, seconds: float, at_once: int) -> bool | None:
        """Note an answer; at the end of a round, whether its answers were slow, else None."""
        first = self._first.setdefault(kind, [])
        if len(first) < FIRST_ANSWERS:
            first.append(seconds)
            return None
        self._round.append(seconds / max(median(first), QUICK_SECONDS))
        if len(self._round) < at_once:
            return None
        is_slow = median(self._round) > BEARABLE
        self._round.clear()
        return is_slow
