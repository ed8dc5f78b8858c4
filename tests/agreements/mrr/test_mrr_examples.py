from __future__ import annotations

import io
import json
import time
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from agreements.books import sources
from agreements.mrr.ledger import ledger
from agreements.mrr.money import exact_text
from agreements.mrr.questions import answer, answer_all, read_book
from agreements.mrr.rules import prepare
from tests.agreements.worked_examples import EXAMPLES, FILE, PRACTISED

ASK = {"what": "mrr", "as_of": "2026-06-15"}
AGREEMENT = {
    "source": "s",
    "id": "1",
    "currency": "USD",
    "start_date": "2025-01-01",
    "cycle": "monthly",
    "amount": "10",
}


@pytest.mark.parametrize("example", [*EXAMPLES, *PRACTISED], ids=lambda example: example["id"])
def test_every_worked_example_comes_to_what_the_definition_says(example: Any) -> None:
    assert answer(example, sources()) == example["want"]


def test_a_psa_that_bills_what_is_inactive_is_named_in_the_warning() -> None:
    (example,) = [example for example in EXAMPLES if example["id"] == "W32"]
    book = prepare(read_book(example["book"], sources()))

    (row,) = ledger(book, date(2026, 6, 15))

    assert row.warnings == ["inactive_may_still_bill"]
    assert row.remarks == ["Autotask bills an inactive contract until its end date."]


def test_of_a_source_that_is_not_known_nothing_is_warned() -> None:
    (example,) = [example for example in EXAMPLES if example["id"] == "W32"]

    found = answer(example)

    assert found == {**example["want"], "warnings": {}}


def test_the_command_answers_the_whole_file() -> None:
    out = io.StringIO()

    call_command("compute_mrr", str(FILE), stdout=out)

    answers = {item["id"]: item["answer"] for item in json.loads(out.getvalue())}
    assert len(answers) == 54
    assert answers == {example["id"]: example["want"] for example in EXAMPLES}


def test_a_json_number_means_its_decimal_text() -> None:
    question = b"""[{"id": 1, "ask": {"what": "mrr", "as_of": "2026-06-15"},
        "book": {"agreements": [
        {"source": "s", "id": 7, "currency": "usd", "start_date": "2025-01-01",
         "cycle": "monthly", "amount": 0.1}]}}]"""

    (answered,) = answer_all(question)

    assert answered["answer"]["totals"]["USD"]["exact"] == "1/10"


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"amount": "a lot"}, "invalid_amount"),
        ({"amount": True}, "invalid_amount"),
        ({"amount": "NaN"}, "invalid_amount"),
        ({"amount": "1e31"}, "invalid_amount"),
        ({"amount": "1e5000"}, "invalid_amount"),
        ({"amount": "1e-31"}, "invalid_amount"),
        ({"amount": "1e99999999"}, "invalid_amount"),
        ({"amount": 10**400}, "invalid_amount"),
        ({"amount": "1." + "1" * 60}, "invalid_amount"),
        ({"start_date": "2026-02-30"}, "invalid_dates"),
        ({"end_date": "yesterday"}, "invalid_dates"),
        ({"end_date": "2024-12-31"}, "invalid_dates"),
        ({"start_date": "2025-W01-1"}, "invalid_dates"),
        ({"start_date": "20250101"}, "invalid_dates"),
        ({"start_date": 20250101}, "invalid_dates"),
        ({"start_date": "٢٠٢٥-01-01"}, "invalid_dates"),
        ({"start_date": "2025-01-01 or so"}, "invalid_dates"),
        ({"cycle": "every now and then"}, "unknown_cycle"),
        ({"cycle": {"every": 0, "unit": "month"}}, "unknown_cycle"),
        ({"cycle": {"every": 2, "unit": "moon"}}, "unknown_cycle"),
        ({"cycle": {"every": 10**12, "unit": "day"}}, "unknown_cycle"),
        ({"cycle": None}, "unknown_cycle"),
        ({"currency": "dollars"}, "unknown_currency"),
        ({"currency": "ABC"}, "unknown_currency"),
        ({"cycle": {"unknown": "Monthly"}}, "unknown_cycle"),
    ],
)
def test_a_bad_value_is_left_out_with_its_reason(over: dict[str, Any], reason: str) -> None:
    answered = answer({"ask": ASK, "book": {"agreements": [{**AGREEMENT, **over}]}})

    assert answered["reasons"] == {"s:1:flat": reason}
    assert answered["totals"] == {}


@pytest.mark.parametrize(("begin", "end"), [("2026-06-20", "2026-06-10"), (None, "2026-06-10")])
def test_a_line_that_ends_before_it_starts_is_nobodys_neighbour(
    begin: str | None, end: str
) -> None:
    fee = {"id": "1", "quantity": "1", "unit_price": "900", "product": "p",
           "start_date": "2026-06-01", "end_date": "2026-06-30"}  # fmt: skip
    other = {**fee, "id": "2", "start_date": begin, "end_date": end}
    book = {"agreements": [{**AGREEMENT, "start_date": "2026-06-15", "lines": [fee, other]}]}

    answered = answer({"ask": ASK, "book": book})

    assert answered["reasons"]["s:1:line:1"] == "single_cycle"


@pytest.mark.parametrize(
    "written",
    [
        "2026-06-16",
        "2026-06-16T00:00:00Z",
        "2026-06-16T23:59:59.999-08:00",
        "2026-06-16 00:00:00",
        "2026-06-16T00:00:00.0000000",
    ],
)
def test_a_date_is_the_calendar_date_as_it_is_written(written: str) -> None:
    book = {"agreements": [{**AGREEMENT, "start_date": written}]}

    found = [
        answer({"ask": {"what": "mrr", "as_of": day}, "book": book})["reasons"]["s:1:flat"]
        for day in ("2026-06-15", "2026-06-16")
    ]

    assert found == ["not_started", None]


@pytest.mark.parametrize(
    ("quantity", "totals", "reason", "warnings"),
    [
        ("-2", {"USD": "-20.00"}, None, ["less_included_ignored", "negative_agreement"]),
        ("2", {}, "invalid_amount", []),
        ("many", {}, "invalid_amount", []),
    ],
)
def test_included_units_that_are_no_number_matter_where_they_are_needed(
    quantity: str, totals: dict[str, str], reason: str | None, warnings: list[str]
) -> None:
    line = {"id": "1", "quantity": quantity, "unit_price": "10", "less_included": "many"}
    agreement = {**AGREEMENT, "amount": None, "lines": [line]}

    answered = answer({"ask": ASK, "book": {"agreements": [agreement]}})

    assert {c: total["amount"] for c, total in answered["totals"].items()} == totals
    assert answered["reasons"] == {"s:1:line:1": reason}
    assert answered["warnings"].get("s:1:line:1", []) == warnings


@pytest.mark.parametrize(
    "question",
    [
        {"ask": {"what": "mrr"}, "book": {}},
        {"ask": {"what": "profit"}, "book": {}},
        {"ask": {"what": "mrr", "as_of": "2026-06-15"}},
        {"ask": {"what": "mrr", "as_of": "2026-06-15"}, "book": {"agreements": [{"id": 1}]}},
        {"ask": {"what": "movement", "from": "2026-02-01", "to": "2026-01-01"}, "book": {}},
        {"ask": {"what": "recognized", "months": "June"}, "book": {}},
        {"ask": {"what": "recognized", "months": ["2026-W1"]}, "book": {}},
        {"ask": {"what": "mrr", "as_of": "2026-W24-1"}, "book": {}},
        {"ask": {"what": "mrr", "as_of": "20260615"}, "book": {}},
        {"ask": {"what": ["mrr"]}, "book": {}},
        {"ask": {"what": "averages", "as_of": "0001-06-15"}, "book": {}},
        {"ask": {"what": "averages", "as_of": "9999-06-15"}, "book": {}},
        {"ask": {"what": "today", "now_utc": "9999-12-31T23:59:59Z", "zone": "Asia/Tokyo"}},
        {"ask": ASK, "book": {"agreements": [{**AGREEMENT, "lines": [{"id": "1", "units": 5}]}]}},
        {
            "ask": ASK,
            "book": {"agreements": [{**AGREEMENT, "lines": [{"id": "1", "units": True}]}]},
        },
        "what?",
    ],
)
def test_a_question_that_is_none_gets_an_error_and_the_others_their_answer(question: Any) -> None:
    good = {"id": "good", "ask": {"what": "mrr", "as_of": "2026-06-15"}, "book": {}}

    bad_answer, good_answer = answer_all(json.dumps([question, good]).encode())

    assert bad_answer["error"]["code"] == "invalid_question"
    assert good_answer == {"id": "good", "answer": {"reasons": {}, "totals": {}, "warnings": {}}}


def test_a_question_that_can_not_be_read_gets_an_error_of_its_own() -> None:
    bad = json.dumps({"ask": ASK, "book": {"agreements": [AGREEMENT]}})
    bad = bad.replace('"amount": "10"', f'"amount": 1{"0" * 6000}')

    bad_answer, good_answer = answer_all(f'[{bad}, {{"id": 1, "ask": {{}}}}]'.encode())

    assert (bad_answer["id"], bad_answer["error"]["code"]) == (0, "invalid_question")
    assert bad_answer["error"]["message"].startswith("This can't be read: ")
    assert good_answer["id"] == 1


def test_a_number_with_more_noughts_than_can_be_counted_is_no_amount() -> None:
    raw = json.dumps([{"ask": ASK, "book": {"agreements": [AGREEMENT]}}])

    (answered,) = answer_all(raw.replace('"10"', f"1e{'9' * 20}").encode())

    assert answered["answer"]["reasons"] == {"s:1:flat": "invalid_amount"}


def test_the_last_month_of_the_calendar_is_a_month() -> None:
    ask = {"what": "recognized", "months": ["0001-01", "9999-12"]}

    answered = answer({"ask": ask, "book": {"agreements": [AGREEMENT]}})

    assert answered == {"0001-01": {}, "9999-12": {"USD": {"amount": "10.00", "exact": "10/1"}}}


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [
        ("2025-01-01", "9999-12-30", Fraction(7975 * 12 * 31 - 1, 31)),
        ("9999-11-10", "9999-12-30", Fraction(1) + Fraction(21, 31)),
        ("2025-01-31", "9999-12-30", Fraction(7974 * 12 + 11)),
    ],
)
def test_a_term_may_last_to_the_end_of_the_calendar(start: str, end: str, months: Fraction) -> None:
    term = {**AGREEMENT, "cycle": "contract length", "start_date": start, "end_date": end}

    answered = answer({"ask": {**ASK, "as_of": "9999-11-30"}, "book": {"agreements": [term]}})

    assert answered["totals"]["USD"]["exact"] == exact_text(10 / months)


def test_a_moment_without_a_zone_is_one_of_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    ask = {"what": "today", "now_utc": "2026-07-01T10:00:00", "zone": "America/Los_Angeles"}

    answered = answer({"ask": ask})
    monkeypatch.undo()
    time.tzset()

    assert answered == {"as_of": "2026-07-01"}


def test_what_is_no_json_is_said_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "book.txt"

    for text in ("not json", "[" * 100_000 + "]" * 100_000):
        file.write_text(text)
        with pytest.raises(CommandError, match="not a JSON array of questions"):
            call_command("compute_mrr", str(file))
    with pytest.raises(CommandError, match="can't be read"):
        call_command("compute_mrr", str(tmp_path / "missing.json"))
