"""Which of many companies are worth a comparison, and which pairs come out of it.

Pure: no database. Nobody is compared with everybody: names meet by their spelling in one piece,
with a slip in it, by their words in any order and by rare words; the rest by domain, address and
number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import chain
from typing import Final, Generic, TypeVar

from integrations.matching.names import COMMON
from integrations.matching.rule import (
    LEAD,
    SUGGEST_FROM,
    SURE_FROM,
    SURE_LEAD,
    Match,
    Profile,
    Shared,
    compare,
)

OursT = TypeVar("OursT", bound=Hashable)
TheirsT = TypeVar("TheirsT", bound=Hashable)
KeyT = TypeVar("KeyT", bound=Hashable)

#: Of those whom one key leads to so many are compared: of more, none is better than the others.
MOST_OF_A_KEY: Final = 50
#: A word that more than so many have leads to nobody.
MOST_OF_A_WORD: Final = 20
#: Of a company so many matches are kept.
MOST_KEPT: Final = 10
#: Names with fewer letters are not looked for with a slip in them; of longer ones so many letters.
SHORTEST_WITH_SLIP: Final = 4
LONGEST_WITH_SLIP: Final = 60


@dataclass(frozen=True, slots=True)
class Pair(Generic[OursT, TheirsT]):
    """Two that are suggested to be the same. `rivals`: how many others came into question.

    `is_sure`: enough points, and none of the others near.
    """

    ours: OursT
    theirs: TheirsT
    match: Match
    rivals: int
    is_sure: bool


class Index(Generic[KeyT]):
    """Companies of a side by what they can be found by.

    Whoever is found by nothing here has less than `SUGGEST_FROM` points: alike names share a key,
    or their spelling but for a letter, and with others that is worth nothing without an address, a
    domain or a number in common.
    """

    def __init__(self, profiles: Mapping[KeyT, Profile]) -> None:
        self._by_key: dict[str, list[KeyT]] = defaultdict(list)
        self._by_slip: dict[int, list[KeyT]] = defaultdict(list)
        self._by_word: dict[str, list[KeyT]] = defaultdict(list)
        for one, profile in profiles.items():
            for key in _keys_of(profile):
                self._by_key[key].append(one)
            for rest in _with_slip(profile.name.glued):
                self._by_slip[rest].append(one)
            for word in set(profile.name.words):
                self._by_word[word].append(one)

    def near(self, profile: Profile) -> Iterable[KeyT]:
        """Those worth a comparison, each once."""
        found: dict[KeyT, None] = {}
        for key in _keys_of(profile):
            found.update(dict.fromkeys(self._by_key.get(key, ())[:MOST_OF_A_KEY]))
        for rest in _with_slip(profile.name.glued):
            found.update(dict.fromkeys(self._by_slip.get(rest, ())[:MOST_OF_A_KEY]))
        for word in set(profile.name.words):
            named = self._by_word.get(word, ())
            if len(named) <= MOST_OF_A_WORD:
                found.update(dict.fromkeys(named))
        return found


def _keys_of(profile: Profile) -> Iterator[str]:
    """What a company is found by as a whole, each marked by what it is."""
    name = profile.name
    yield from (f"n{piece}" for piece in name.pieces)
    if name.words:
        yield f"k{name.key}"
        yield f"c{' '.join(sorted({*name.words} - COMMON))}"
    yield from (f"d{domain}" for domain in profile.domains)
    yield from (f"a{address}" for address in profile.addresses)
    yield from (f"p{number}" for number in profile.numbers)


def _with_slip(glued: str) -> Iterator[int]:
    """A name in one piece, and without each of its letters: equal for two that differ by a slip.

    As hashes: there are many.
    """
    if len(glued) >= SHORTEST_WITH_SLIP:
        yield hash(glued)
        for place in range(min(len(glued), LONGEST_WITH_SLIP)):
            yield hash(glued[:place] + glued[place + 1 :])


def shared_by(*sides: Collection[Profile]) -> Shared:
    """What more than one company of a side is reached by."""
    return Shared(
        _more_than_one([[one.addresses for one in side] for side in sides]),
        _more_than_one([[one.domains for one in side] for side in sides]),
        _more_than_one([[one.numbers for one in side] for side in sides]),
    )


def _more_than_one(sides: Sequence[Sequence[Iterable[str]]]) -> frozenset[str]:
    counts = [Counter(chain.from_iterable(side)) for side in sides]
    return frozenset(text for count in counts for text, number in count.items() if number > 1)


def best_pairs(
    ours: Mapping[OursT, Profile],
    theirs: Mapping[TheirsT, Profile],
    refused: Collection[tuple[OursT, TheirsT]] = frozenset(),
) -> list[Pair[OursT, TheirsT]]:
    """The pairs to suggest, best first: each side at most once.

    Two are a pair when each is the other's best by at least `LEAD` points; where two are equally
    good, none is suggested. `refused` pairs are as if they were strangers.
    """
    shared = shared_by(ours.values(), theirs.values())
    found: dict[OursT, list[tuple[int, TheirsT, Match]]] = {}
    wanted: dict[TheirsT, list[int]] = defaultdict(list)
    for one, others in _worth_comparing(ours, theirs).items():
        wanted_ones = [other for other in others if (one, other) not in refused]
        found[one] = matches = _matches(ours[one], wanted_ones, theirs, shared)
        for score, other, _ in matches:
            wanted[other].append(score)
    pairs = [pair for one, matches in found.items() if (pair := _pair(one, matches, wanted))]
    return sorted(pairs, key=lambda pair: (-pair.match.score, str(pair.ours), str(pair.theirs)))


def _worth_comparing(
    ours: Mapping[OursT, Profile], theirs: Mapping[TheirsT, Profile]
) -> Mapping[OursT, Iterable[TheirsT]]:
    """Who of theirs is worth a comparison with whom of ours. The smaller side is indexed."""
    if len(theirs) < len(ours):
        of_theirs = Index(theirs)
        return {one: of_theirs.near(profile) for one, profile in ours.items()}
    of_ours, near = Index(ours), defaultdict[OursT, list[TheirsT]](list)
    for other, profile in theirs.items():
        for one in of_ours.near(profile):
            near[one].append(other)
    return near


def _matches(
    profile: Profile,
    others: Iterable[TheirsT],
    theirs: Mapping[TheirsT, Profile],
    shared: Shared,
) -> list[tuple[int, TheirsT, Match]]:
    """Who may be the same as one of ours, best first."""
    compared = ((other, compare(profile, theirs[other], shared)) for other in others)
    good = [(match.score, other, match) for other, match in compared if match.score >= SUGGEST_FROM]
    return nlargest(MOST_KEPT, good, key=lambda row: (row[0], str(row[1])))


def _pair(
    one: OursT,
    matches: Sequence[tuple[int, TheirsT, Match]],
    wanted: Mapping[TheirsT, list[int]],
) -> Pair[OursT, TheirsT] | None:
    if not matches:
        return None
    score, other, match = matches[0]
    rivals = [row[0] for row in matches[1:]] + _without_one(wanted[other], score)
    nearest = max(rivals, default=0)
    if score - nearest < LEAD:
        return None
    is_sure = score >= SURE_FROM and score - nearest >= SURE_LEAD
    return Pair(one, other, match, len(rivals), is_sure)


def _without_one(scores: Sequence[int], score: int) -> list[int]:
    rest = list(scores)
    rest.remove(score)
    return rest
