"""What is kept of a reading that a PSA interrupts, and to whom it is given again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.psa import kept
from integrations.psa.kept import Entry, Keep, KeptAnswer, KeptAnswers, question_of

LONG_AGO = datetime(2026, 11, 1, tzinfo=UTC)


def answer(content: bytes = b"[]", at: datetime = LONG_AGO) -> KeptAnswer:
    return KeptAnswer(200, None, "application/json", content, at)


def reading(*questions: str) -> KeptAnswers:
    """A reading of which an earlier attempt has kept these."""
    answers = KeptAnswers()
    answers.begin([Entry(one, answer(one.encode()), 1, is_stored=True) for one in questions])
    return answers


def test_what_an_earlier_attempt_was_told_is_given_once() -> None:
    answers = reading("a")

    first, second = answers.known("a"), answers.known("a")

    assert (first, second) == (answer(b"a"), None)


def test_what_this_attempt_was_told_is_asked_again() -> None:
    """Such as the first page of a list that has moved while it was read."""
    answers = reading()

    answers.note("a", answer(), "part")

    assert answers.known("a") is None
    assert [entry.question for entry in answers.take_new()] == ["a"]


def test_outside_of_a_reading_nothing_is_kept() -> None:
    answers = KeptAnswers()
    answers.note("a", answer(), "part")

    assert answers.take_new() == []


@pytest.mark.parametrize(("keep", "part"), [("part", 1), ("reading", 0)])
def test_an_answer_is_kept_for_its_part_or_for_the_reading(keep: Keep, part: int) -> None:
    answers = reading()
    answers.next_part()
    answers.note("a", answer(), keep)

    assert [entry.part for entry in answers.take_new()] == [part]
    assert answers.take_new() == [], "it counts as stored"
    assert answers.forget(1) is (part == 1)


def test_what_must_be_new_is_never_kept() -> None:
    answers = reading()
    answers.note("a", answer(), "no")

    assert answers.take_new() == []


def test_a_part_began_when_the_oldest_of_its_answers_came() -> None:
    answers = reading("a")
    before = datetime.now(UTC)
    answers.next_part()
    began = answers.part_began()

    answers.known("a")

    assert began - before < timedelta(seconds=5)
    assert answers.part_began() == LONG_AGO
    answers.next_part()
    assert answers.part_began() >= before


def test_a_reading_keeps_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_BYTES", 4)
    answers = reading()

    for question in "abc":
        answers.note(question, answer(b"1234"), "part")

    assert [entry.question for entry in answers.take_new()] == ["a"]


def test_a_question_is_told_from_the_same_one_for_another_reason() -> None:
    asked = ["GET", "https://psa.example/a", {"page": "1", "size": "2"}, None, ""]

    same = ["GET", "https://psa.example/a", {"size": "2", "page": "1"}, None, ""]
    assert question_of(asked) == question_of(same)
    assert question_of(asked) != question_of([*asked[:-1], "about"])
    assert "psa.example" not in question_of(asked)
