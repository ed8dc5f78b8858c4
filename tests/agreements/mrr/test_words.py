"""Words of a PSA that the engine must not guess, and what a person said that they mean."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from agreements import mrr
from agreements.mrr.questions import answer

DAY = date(2026, 6, 15)
AUTOTASK = mrr.Source("Autotask", True, "contract", "Recurring Service")


def agreement(**over: Any) -> mrr.Agreement:
    values = {
        "source": "s", "id": "1", "account": "a1", "company_id": "c", "currency": "USD",
        "start_date": date(2025, 1, 1), "cycle": "monthly", "amount": Decimal(100), **over,
    }  # fmt: skip
    return mrr.Agreement(**values)


def line(**over: Any) -> mrr.Line:
    return mrr.Line(**{"id": "1", "quantity": Decimal(2), "unit_price": Decimal(10), **over})


def rows(*agreements: mrr.Agreement, **more: Any) -> list[mrr.LedgerRow]:
    return mrr.ledger(mrr.prepare(mrr.Book(list(agreements), **more)), DAY)


def said(kind: str, word: str, meaning: Any) -> mrr.Words:
    choice = mrr.WordChoice(kind, word, meaning, "Ada", date(2026, 6, 1))
    return {("a1", kind, mrr.word_key(word)): choice}


@pytest.mark.parametrize("word", ["Contract", "Daily", "4-Weekly", "Monthly"])
def test_a_word_that_an_adapter_did_not_know_is_never_the_engines_own(word: str) -> None:
    (row,) = rows(agreement(cycle={"unknown": word}))

    assert (row.included, row.reason, row.per_cycle_exact) == (False, "unknown_cycle", "100/1")
    assert row.sentence == (
        f'Left out: its billing cycle "{word}" is not one we know; it brings USD 100.00 a cycle.'
    )


def test_what_a_person_says_a_cycle_means_counts_and_is_named() -> None:
    words = said("cycle", "Every  Quarter", "quarterly")

    mine, other = rows(
        agreement(cycle={"unknown": "every quarter"}),
        agreement(id="2", account="a2", cycle={"unknown": "Every Quarter"}),
        words=words,
    )

    assert (mine.mrr, mine.cycle) == ("33.33", "quarterly")
    assert mine.sentence == (
        "Counted: 100 quarterly x 1/3 = 33.33 a month. "
        'The billing cycle "Every  Quarter" means quarterly here, said by Ada on 1 Jun 2026.'
    )
    assert other.reason == "unknown_cycle"  # said of another account


def test_a_lines_own_cycle_and_a_childs_inherited_one_are_meant_alike() -> None:
    words = said("cycle", "Custom A", {"every": 2, "unit": "month"})
    lines = [line(cycle={"unknown": "Custom A"})]

    parent, child, flat, own = rows(
        agreement(cycle={"unknown": "Custom A"}),
        agreement(id="2", parent_id="1", cycle=None),
        agreement(id="3", lines=lines),
        words=words,
    )

    assert [row.mrr for row in (parent, child, flat, own)] == ["50.00", "50.00", "100.00", "10.00"]
    assert own.sentence.endswith(
        'The billing cycle "Custom A" means every 2 months here, said by Ada on 1 Jun 2026.'
    )


@pytest.mark.parametrize("currency", ["Gold coins", "$", "ABC"])
def test_a_currency_that_is_none_is_quoted_and_never_the_tenants(currency: str) -> None:
    book = [agreement(currency=currency, lines=[line()])]

    found = rows(*book)

    assert [(row.reason, row.currency) for row in found] == [("unknown_currency", currency)] * 2
    assert found[0].sentence == f'Left out: its currency "{currency}" is not one we know.'
    assert found[0].warnings == []
    assert mrr.mrr(mrr.prepare(mrr.Book(book)), DAY) == []


@pytest.mark.parametrize("currency", [" usd ", "DEM", "Eur"])
def test_a_code_is_one_in_any_case_and_when_it_was_withdrawn(currency: str) -> None:
    (row,) = rows(agreement(currency=currency))

    assert (row.included, row.currency, row.warnings) == (True, currency.strip().upper(), [])


def test_no_currency_alone_is_assumed() -> None:
    (row,) = rows(agreement(currency=" "), default_currency="CAD")

    assert (row.currency, row.warnings) == ("CAD", ["currency_assumed"])


def test_what_a_person_says_a_currency_means_counts() -> None:
    (row,) = rows(agreement(currency="$"), words=said("currency", "$", "AUD"))

    assert (row.mrr, row.currency) == ("100.00", "AUD")


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"end_date": date(2024, 1, 1)}, "invalid_dates"),  # comes before it
        ({"cycle": "one_time"}, "one_time"),
        ({"active": False}, "unknown_currency"),  # comes after it
        ({"amount": None}, "unknown_currency"),
    ],
)
def test_an_unknown_currency_has_its_place_among_the_reasons(
    over: dict[str, Any], reason: str
) -> None:
    (row,) = rows(agreement(currency="Gold coins", **over))

    assert row.reason == reason


def test_a_type_that_does_not_recur_is_named() -> None:
    (row,) = rows(agreement(recurring=False, type="Time and Materials"), sources={"s": AUTOTASK})

    assert row.reason == "not_recurring"
    assert row.sentence == (
        "Left out: its type is Time and Materials; only Recurring Service counts."
    )


def test_a_type_that_changed_says_since_when() -> None:
    (row,) = rows(
        agreement(
            recurring=False,
            type="Fixed Price",
            former_type="Recurring Service",
            type_changed_on=date(2026, 6, 10),
        ),
        sources={"s": AUTOTASK},
    )

    assert row.sentence == (
        "Left out: its type is Fixed Price; only Recurring Service counts. "
        "Its type was Recurring Service before 2026-06-10."
    )


def test_without_a_type_that_alone_recurs_none_is_blamed() -> None:
    (row,) = rows(agreement(recurring=False, type="Managed Services"))

    assert row.sentence == "Left out: this is not a recurring agreement."


def test_types_that_a_person_counts_or_leaves_out() -> None:
    counted = rows(
        agreement(recurring=False, type="Retainer"),
        words=said("agreement_type", "retainer", "count"),
    )
    left = rows(agreement(type="Retainer"), words=said("agreement_type", "Retainer", "leave_out"))
    kept = rows(
        agreement(type="Retainer", force_include=True),
        words=said("agreement_type", "Retainer", "leave_out"),
    )

    assert [(row.mrr, row.reason) for row in counted] == [("100.00", None)]
    assert [row.reason for row in left] == ["excluded_by_user"]
    assert left[0].sentence == (
        "Left out: someone in your team excluded agreements of its type from MRR. "
        'The type "Retainer" is left out here, said by Ada on 1 Jun 2026.'
    )
    assert [row.reason for row in kept] == [None]  # said of this one agreement


@pytest.mark.parametrize(
    ("meaning", "reason"), [("usage", "usage"), ("one_time", "one_time"), ("recurring", None)]
)
def test_products_that_a_person_says_are_usage_once_or_recurring(
    meaning: str, reason: str | None
) -> None:
    one_month = {"start_date": date(2026, 6, 1), "end_date": date(2026, 6, 30)}
    lines = [line(product="Azure usage", **one_month), line(id="2", product="Other", **one_month)]

    _, row, other = rows(agreement(lines=lines), words=said("product", "azure Usage", meaning))

    assert (row.reason, other.reason) == (reason, "single_cycle")


def test_a_status_that_a_person_says_is_active() -> None:
    words = said("status", "Aktiv", "active")

    (row,) = rows(agreement(active=False, status="AKTIV"), words=words)
    (unasked,) = rows(agreement(status="Aktiv"), words=said("status", "Aktiv", "not_active"))

    assert (row.reason, unasked.reason) == (None, None)  # of the second the dates decide


def test_what_counts_because_of_a_person_says_so_where_it_counts_and_nowhere_else() -> None:
    lines = [line(bill="no_charge"), line(id="2"), line(id="3")]
    renewed = {"end_date": date(2026, 3, 31), "assume_renewal": True}

    left = rows(agreement(active=False, force_include=True, cycle={"unknown": "x"}, **renewed))
    counted = rows(
        agreement(amount=Decimal(0), lines=lines, active=False, force_include=True, **renewed)
    )

    assert [row.warnings for row in left] == [[]]
    assert [row.warnings for row in counted] == [[], ["assumed_renewal", "included_by_user"], []]


def test_a_movement_names_all_classes_also_those_of_nothing() -> None:
    book = {"agreements": [{"source": "s", "id": "1", "cycle": "monthly", "amount": "10"}]}
    ask = {"what": "movement", "from": "2026-01-31", "to": "2026-02-28"}

    found = answer({"ask": ask, "book": book})["USD"]

    nothing, ten = {"amount": "0.00", "exact": "0/1"}, {"amount": "10.00", "exact": "10/1"}
    classes = ("new", "reactivation", "expansion", "contraction", "churn")
    assert {name: found[name] for name in classes} == dict.fromkeys(classes, nothing)
    assert (found["opening"], found["closing"]) == (ten, ten)
