from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.psa.errors import PsaBadResponse, PsaRefused, PsaUnavailable
from integrations.psa.questions import (
    OldPlaceError,
    ask_twice,
    batched_ids,
    count_if_possible,
    numeric_ids,
)

REFUSED = PsaRefused("invalid_credentials", "No.", "Check.")


class Zones:
    """Places of which only `good` answers; each question is noted."""

    def __init__(self, *, good: str, moves_to: str) -> None:
        self.current, self._good, self._moves_to = "old", good, moves_to
        self.asked: list[str] = []

    def place(self) -> str:
        return self.current

    def ask(self, place: str) -> str:
        self.asked.append(place)
        if place != self._good:
            raise OldPlaceError(REFUSED)
        return f"answer of {place}"

    def renewed(self, place: str, error: Exception) -> bool:
        self.current = self._moves_to
        return self.current != place


def test_what_is_no_number_is_left_out_of_every_batch() -> None:
    assert list(batched_ids(["1", "x", "22", "", "333", "-4"], 2)) == [["1", "22"], ["333"]]
    assert numeric_ids(["a", "7"]) == ["7"]


def test_a_good_place_is_asked_once() -> None:
    zones = Zones(good="old", moves_to="new")

    assert ask_twice(zones.ask, place=zones.place, renewed=zones.renewed) == "answer of old"
    assert zones.asked == ["old"]


def test_an_old_place_is_followed_by_one_question_at_the_new_one() -> None:
    zones = Zones(good="new", moves_to="new")

    assert ask_twice(zones.ask, place=zones.place, renewed=zones.renewed) == "answer of new"
    assert zones.asked == ["old", "new"]


@pytest.mark.parametrize(("moves_to", "asked"), [("old", ["old"]), ("third", ["old", "third"])])
def test_where_no_place_helps_the_answer_means_what_it_says(
    moves_to: str, asked: list[str]
) -> None:
    zones = Zones(good="nowhere", moves_to=moves_to)

    with pytest.raises(PsaRefused) as caught:
        ask_twice(zones.ask, place=zones.place, renewed=zones.renewed)

    assert caught.value is REFUSED
    assert zones.asked == asked


def _raise(error: Exception) -> Callable[[], int]:
    def count() -> int:
        raise error

    return count


def test_a_count_that_can_not_be_read_is_none_and_an_outage_is_one() -> None:
    assert count_if_possible(lambda: 7) == 7
    assert count_if_possible(_raise(PsaBadResponse("What?"))) is None
    with pytest.raises(PsaUnavailable):
        count_if_possible(_raise(PsaUnavailable("timeout", "Slow.")))
