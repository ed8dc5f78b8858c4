"""What a row waits for, what would come of it, and how meanings are written."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from agreements import mrr
from agreements.mrr.awaited import awaited_money
from agreements.mrr.currencies import CODES_OF_TODAY
from agreements.mrr.money import exact_text
from agreements.mrr.questions import QuestionError, answer
from agreements.mrr.words import MEANINGS, read_meaning_of
from tests.agreements.mrr.test_words import AUTOTASK, DAY, agreement, line, rows, said


@pytest.mark.parametrize(
    ("kind", "typed", "kept"),
    [
        ("cycle", "Yearly", "annual"),
        ("cycle", "4-weekly", "fourweekly"),
        ("cycle", {"every": 18, "unit": "month"}, {"every": 18, "unit": "month"}),
        ("cycle", {"every": 0, "unit": "month"}, None),
        ("cycle", {"every": 2, "unit": "month", "more": 1}, None),
        ("cycle", "now and then", None),
        ("currency", " eur ", "EUR"),
        ("currency", "Gold coins", None),
        ("currency", 1, None),
        ("status", "active", "active"),
        ("status", "Active", None),
        ("agreement_type", "leave_out", "leave_out"),
        ("product", "usage", "usage"),
        ("product", ["usage"], None),
        ("weather", "active", None),
    ],
)
def test_a_meaning_is_written_in_one_way_or_there_is_none(kind: str, typed: Any, kept: Any) -> None:
    assert read_meaning_of(kind, typed) == kept


def test_every_meaning_that_is_offered_is_one() -> None:
    for kind, meanings in MEANINGS.items():
        assert [read_meaning_of(kind, meaning) for meaning in meanings] == list(meanings)
    assert {read_meaning_of("currency", code) for code in CODES_OF_TODAY} == set(CODES_OF_TODAY)


@pytest.mark.parametrize(
    ("over", "awaited"),
    [
        ({"cycle": {"unknown": "Contract"}}, ("cycle", "Contract")),
        ({"currency": "Euro"}, ("currency", "Euro")),
        ({"active": False, "status": "Aktiv"}, ("status", "Aktiv")),
        ({"active": False, "status": ""}, None),
        ({"recurring": False, "type": "Retainer"}, ("agreement_type", "Retainer")),
        ({"cycle": "whenever"}, None),
        ({"end_date": date(2026, 1, 1), "cycle": {"unknown": "Contract"}}, None),
        ({}, None),
    ],
)
def test_a_row_says_which_word_it_waits_for(over: dict[str, Any], awaited: Any) -> None:
    (row,) = rows(agreement(**over), sources={"s": AUTOTASK})

    assert row.awaited == awaited


def test_nothing_waits_for_a_word_that_somebody_explained() -> None:
    inactive = agreement(active=False, status="New")

    (row,) = rows(inactive, words=said("status", "New", "not_active"))

    assert (row.reason, row.awaited) == ("inactive", None)
    assert row.sentence == (
        'Left out: its status is "New"; only active agreements count. '
        'The status "New" means not active here, said by Ada on 1 Jun 2026.'
    )


def test_money_waits_a_cycle_for_a_cycle_and_a_month_for_all_else() -> None:
    lines = [line(cycle={"unknown": "Odd"}), line(id="2", bill="no_charge")]
    book = [
        agreement(cycle={"unknown": "Odd"}, amount=Decimal(1200)),
        agreement(id="2", lines=lines),
        agreement(id="3", currency="Euro", cycle="annual", amount=Decimal(1200)),
        agreement(id="4", currency="Euro", lines=[line(bill="no_charge")]),
        agreement(id="5", active=False, status="Aktiv", start_date=date(2027, 1, 1)),
        agreement(id="6", active=False, status="Aktiv", amount=Decimal(7)),
        agreement(id="7", active=False, currency="Euro"),
        agreement(id="8", currency="Euro", renews=["3"], cycle="annual", amount=Decimal(600)),
    ]

    found = {
        kind: [(word.word, currency, exact_text(amount)) for word, currency, amount in money]
        for kind in MEANINGS
        if (money := list(awaited_money(mrr.Book(book), DAY, "a1", kind)))
    }

    assert found == {
        "cycle": [("Odd", "USD", "1200/1"), ("Odd", "USD", "20/1")],
        "currency": [("Euro", "Euro", "100/1"), ("Euro", "Euro", "50/1")],  # 8 replaces 3
        "status": [("Aktiv", "USD", "7/1")],
    }


def question(**word: Any) -> dict[str, Any]:
    book = {
        "agreements": [
            {"source": "s", "id": "1", "cycle": {"unknown": "Contract"}, "amount": "1200"}
        ],
        "words": [word],
    }
    return {"ask": {"what": "mrr", "as_of": "2026-06-15"}, "book": book}


def test_a_pasted_book_may_say_what_words_mean_and_the_answer_names_it() -> None:
    known = {"kind": "cycle", "word": "contract", "meaning": "yearly"}

    found = answer(question(**known, by="Alex", on="2026-11-29"))

    assert found["totals"]["USD"]["amount"] == "100.00"
    assert found["words"] == {
        "s:1:flat": ['The billing cycle "contract" means annual here, said by Alex on 29 Nov 2026.']
    }
    assert "words" not in answer(question(kind="cycle", word="Other", meaning="annual"))


@pytest.mark.parametrize(
    "word",
    [
        {"kind": "weather", "word": "x", "meaning": "annual"},
        {"kind": "cycle", "word": " ", "meaning": "annual"},
        {"kind": "cycle", "word": "x", "meaning": "now and then"},
    ],
)
def test_a_pasted_word_that_means_nothing_is_no_question(word: dict[str, str]) -> None:
    with pytest.raises(QuestionError):
        answer(question(**word))
