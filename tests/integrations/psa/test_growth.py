"""How many requests at once an account takes: growth by rounds of answers, fall by refusals."""

from __future__ import annotations

import pytest

from integrations.psa.growth import (
    FIRST_ANSWERS,
    LEARNED_SECONDS,
    QUIET_SECONDS,
    AnswerTimes,
    Growth,
    Pace,
    Refusal,
    said_again,
)

NOW = 1_000_000.0
GROWTH = Growth(start=4, most=16)


def after_rounds(limit: int, rounds: int, refusal: Refusal | None = None) -> int:
    for _ in range(rounds):
        limit = GROWTH.after_round(limit, refusal, is_slow=False)
    return limit


def test_it_begins_with_four_and_grows_by_one_a_round_to_sixteen() -> None:
    assert GROWTH.limit(None, None, NOW) == 4
    assert [after_rounds(4, rounds) for rounds in (1, 2, 11, 12, 13)] == [5, 6, 15, 16, 16]


def test_slow_answers_leave_three_quarters_and_never_less_than_the_start() -> None:
    falls = [GROWTH.after_round(limit, None, is_slow=True) for limit in (16, 12, 9, 6, 5, 4, 2)]

    assert falls == [12, 9, 6, 4, 4, 4, 2]


def test_a_refusal_halves_and_is_the_ceiling_until_it_is_forgotten() -> None:
    refusal = GROWTH.after_refusal(13, None, now=NOW, until=NOW + 3, teaches=True)

    assert refusal == Refusal(places=6, at=NOW, until=NOW + 3, ceiling=12)
    assert GROWTH.limit(refusal, None, NOW) == 6
    assert after_rounds(6, 20, refusal) == 12
    assert GROWTH.limit(refusal, None, NOW + LEARNED_SECONDS - 1) == 6
    assert GROWTH.limit(refusal, None, NOW + LEARNED_SECONDS) == 4


def test_each_of_a_burst_was_one_too_many() -> None:
    first = GROWTH.after_refusal(9, None, now=NOW, until=NOW + 5, teaches=True)

    said = said_again(said_again(first, NOW, teaches=True), NOW + 7, teaches=True)
    of_all = said
    for _ in range(9):
        of_all = said_again(of_all, NOW, teaches=True)

    assert said == Refusal(places=4, at=NOW, until=NOW + 7, ceiling=6)
    assert of_all.ceiling == 4
    assert said_again(first, NOW, teaches=False).ceiling == 8
    assert said_again(Refusal(places=4, at=NOW), NOW, teaches=True).ceiling is None


def test_of_one_at_once_nothing_is_taken() -> None:
    refusal = GROWTH.after_refusal(1, None, now=NOW, until=NOW, teaches=True)

    assert (refusal.places, refusal.ceiling) == (1, 1)


def test_a_psa_that_is_down_halves_and_teaches_nothing_and_what_was_taught_stays() -> None:
    down = GROWTH.after_refusal(8, None, now=NOW, until=NOW, teaches=False)
    taught = Refusal(places=3, at=NOW, ceiling=6)
    both = GROWTH.after_refusal(5, taught, now=NOW + 9, until=NOW + 9, teaches=False)

    assert (down.places, down.ceiling) == (4, None)
    assert (both.places, both.ceiling) == (2, 6)


def test_a_shorter_wait_does_not_end_a_longer_one() -> None:
    first = GROWTH.after_refusal(8, None, now=NOW, until=NOW + 120, teaches=True)
    second = GROWTH.after_refusal(4, first, now=NOW + 1, until=NOW + 2, teaches=True)

    assert second.until == NOW + 120


@pytest.mark.parametrize(
    ("pace", "expected"),
    [
        (Pace(9, at=NOW - QUIET_SECONDS + 1), 9),
        (Pace(9, at=NOW - QUIET_SECONDS), 4),
        (Pace(30, at=NOW), 16),
    ],
    ids=["fresh", "quiet since", "another setting"],
)
def test_what_answers_have_shown_counts_while_somebody_asks(pace: Pace, expected: int) -> None:
    assert GROWTH.limit(None, pace, NOW) == expected


def test_what_was_noted_before_a_refusal_is_void() -> None:
    refusal = Refusal(places=5, at=NOW - 1, ceiling=9)

    assert GROWTH.limit(refusal, Pace(11, at=NOW), NOW) == 5
    assert GROWTH.limit(refusal, Pace(8, at=NOW, refused_at=NOW - 1), NOW) == 8
    assert GROWTH.limit(refusal, Pace(11, at=NOW, refused_at=NOW - 1), NOW) == 9


def test_who_begins_with_as_many_as_there_are_does_not_grow() -> None:
    fixed = Growth(start=6, most=6)

    assert fixed.after_round(6, None, is_slow=False) == 6
    refusal = fixed.after_refusal(6, None, now=NOW, until=NOW, teaches=True)
    assert (refusal.places, refusal.ceiling) == (3, 5)


# Rounds


def noted(times: AnswerTimes, kind: str, seconds: list[float], at_once: int = 4) -> list[object]:
    return [times.note(kind, one, at_once) for one in seconds]


def test_the_first_answers_of_a_kind_are_its_measure_and_judge_nothing() -> None:
    times = AnswerTimes()

    assert noted(times, "lines", [0.3, 0.1, 0.2, 9.0, 0.2]) == [None] * FIRST_ANSWERS
    assert times.first_times == {"lines": 0.2}
    assert noted(times, "lines", [0.3] * 4) == [None, None, None, False]
    assert noted(times, "lines", [0.301] * 4) == [None, None, None, True]


def test_one_slow_answer_is_no_slow_round() -> None:
    times = AnswerTimes()
    times.adopt({"lines": 0.2})

    assert noted(times, "lines", [0.2, 5.0, 0.2, 0.2])[-1] is False
    assert noted(times, "lines", [0.2, 5.0, 5.0, 0.4])[-1] is True


def test_each_kind_is_compared_with_itself() -> None:
    times = AnswerTimes()
    times.adopt({"list": 2.0, "lines": 0.1})

    verdicts = [times.note(kind, one, 2) for kind, one in (("list", 2.5), ("lines", 0.14))]

    assert verdicts == [None, False]


def test_what_takes_no_time_is_never_slow() -> None:
    times = AnswerTimes()
    times.adopt({"lines": 0.002})

    assert noted(times, "lines", [0.07] * 4)[-1] is False


def test_a_round_begins_anew_after_a_refusal() -> None:
    times = AnswerTimes()
    times.adopt({"lines": 0.1})
    noted(times, "lines", [9.0] * 3)

    times.begin_round()

    assert noted(times, "lines", [0.1] * 4) == [None, None, None, False]
    assert times.first_times == {"lines": 0.1}
