"""How adapters ask what they can't ask in one go, in one place, or for sure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TypeVar

from integrations.psa.contract import PsaAgreement, Wanted
from integrations.psa.errors import PsaBadResponse, PsaError, PsaRefused

AnswerT = TypeVar("AnswerT")
PlaceT = TypeVar("PlaceT")


class OldPlaceError(Exception):
    """The answer is what an old place gives; `meant` is what it means at a place that is right."""

    def __init__(self, meant: PsaError) -> None:
        super().__init__()
        self.meant = meant


def numeric_ids(ids: Iterable[str]) -> list[str]:
    """Those ids that are whole numbers, in their order; a PSA with such ids has no others."""
    return [external_id for external_id in ids if external_id.isdecimal()]


def batched_ids(ids: Collection[str], size: int) -> Iterator[list[str]]:
    """Cut numeric ids into what one question holds; what is no number is left out."""
    numbers = numeric_ids(ids)
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def part_wanted(
    agreements: Sequence[PsaAgreement], wanted: Wanted | None
) -> tuple[list[PsaAgreement], frozenset[str]]:
    """Those that are wanted (None = all), and the ids of the others."""
    chosen = [one for one in agreements if wanted is None or wanted(one)]
    ids = {one.external_id for one in chosen}
    return chosen, frozenset(one.external_id for one in agreements if one.external_id not in ids)


def ask_twice(
    ask: Callable[[PlaceT], AnswerT],
    *,
    place: Callable[[], PlaceT],
    renewed: Callable[[PlaceT, Exception], bool],
) -> AnswerT:
    """Ask at a place (an address, a token), and once more when the place proves to be old.

    `renewed(place, error)` is asked about the first try's error: it finds a new place, if the error
    is one that an old place gives, and says whether there is one. Of an `OldPlaceError` that stays
    is raised what it meant.
    """
    current = place()
    try:
        try:
            return ask(current)
        except (PsaError, OldPlaceError) as error:
            if not renewed(current, error):
                raise
        return ask(place())
    except OldPlaceError as error:
        raise error.meant from None


def count_if_possible(count: Callable[[], int]) -> int | None:
    """How many records there are; None when that can't be read: then it stops nothing."""
    try:
        return count()
    except PsaBadResponse:
        return None


def count_at_end(count: Callable[[], int | None]) -> int | None:
    """How many records a list has whose end looks too early; None when that is refused, too.

    What was read came with the same keys: a refused count says nothing about these.
    """
    try:
        return count()
    except PsaRefused:
        return None
