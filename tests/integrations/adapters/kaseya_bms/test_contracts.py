from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import responses

from tests.integrations.adapters.kaseya_bms.answers import (
    ACCOUNTS,
    CONTRACTS,
    LOOKUP,
    adapter,
    contract,
    good,
    read,
)


def test_a_contract_is_one_amount_a_cycle(wire: Any) -> None:
    (found,) = read(wire, contract())

    assert (found.external_id, found.company_id, found.name) == ("50", "7", "Managed IT")
    assert (found.amount, found.currency, found.cycle) == (Decimal("2450.0"), "USD", "monthly")
    assert (found.recurring, found.active, found.cancelled) == (True, True, False)
    assert (found.start_date, found.end_date, found.no_end) == (
        date(2026, 1, 1), date(2026, 12, 31), False,
    )  # fmt: skip
    assert found.lines == ()


def test_money_is_exact_to_the_last_digit(wire: Any) -> None:
    body = json.dumps(good([contract(contractBillingPrice="@")], totalRecords=1))
    wire.get(CONTRACTS, body=body.replace('"@"', "12345678901.123456789"))
    wire.get(LOOKUP, json=good([{"id": 50}]))
    wire.get(f"{ACCOUNTS}/7", json={"id": 7})

    (page,) = adapter().agreements(company_ids=["7"])

    assert page.records[0].amount == Decimal("12345678901.123456789")


def test_contracts_are_joined_by_id_also_when_two_accounts_share_a_name(wire: Any) -> None:
    wire.get(CONTRACTS, json=good([contract(50), contract(51)], totalRecords=2))
    for account, id_ in ((7, 50), (8, 51)):
        match = [responses.matchers.query_param_matcher({"AccountId": str(account)})]
        wire.get(LOOKUP, json=good([{"id": id_}]), match=match)
        wire.get(f"{ACCOUNTS}/{account}", json={"id": account, "accountName": "Twin"})

    pages = adapter().agreements(company_ids=["7", "8"])

    found = [(r.company_id, r.external_id) for page in pages for r in page.records]
    assert found == [("7", "50"), ("8", "51")]


def test_a_contract_without_an_amount_is_reported_and_not_invented(wire: Any) -> None:
    wire.get(CONTRACTS, json=good([], totalRecords=0))
    wire.get(LOOKUP, json=good([{"id": 99}]))
    wire.get(f"{ACCOUNTS}/7", json={"id": 7})

    (page,) = adapter().agreements(company_ids=["7"])

    assert page.records == ()
    assert [(r.external_id, r.code) for r in page.rejected] == [("99", "invalid_record")]
    assert "amount" in page.rejected[0].message


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        ("Recurring Services", True), ("recurring service", True), (" RecurringServices ", True),
        ("Time and Material", False), ("Retainer by Hours", False), (None, False),
    ],
)  # fmt: skip
def test_only_recurring_services_are_agreements(wire: Any, kind: Any, counts: bool) -> None:
    assert bool(read(wire, contract(contractType=kind))) is counts


@pytest.mark.parametrize(
    ("label", "cycle"),
    [
        ("Monthly", "monthly"), (" weekly", "weekly"), ("Quarterly", "quarterly"),
        ("Yearly", "annual"), ("Annually", "annual"), ("Contract Length", "contract_length"),
        ("Semi-Annually", "semiannual"), ("Half-Yearly", "semiannual"),
        ("Every 4 Weeks", "Every 4 Weeks"), (None, None), ("", None),
    ],
)  # fmt: skip
def test_cycles_by_their_documented_names_and_never_guessed(
    wire: Any, label: Any, cycle: Any
) -> None:
    (found,) = read(wire, contract(billingCycle=label))

    assert found.cycle == cycle


@pytest.mark.parametrize(
    ("status", "active"),
    [("Active", True), (" ACTIVE ", True), ("Inactive", False), ("New", False), (None, False)],
)
def test_only_the_status_active_is_active(wire: Any, status: Any, active: bool) -> None:
    (found,) = read(wire, contract(status=status))

    assert found.active is active


@pytest.mark.parametrize(
    ("text", "day", "no_end"),
    [
        ("2026-12-31T00:00:00", date(2026, 12, 31), False),
        ("2026-12-31T23:59:59.9999999", date(2026, 12, 31), False),
        ("2027-01-01T03:00:00Z", date(2026, 12, 31), False),  # New York's calendar
        ("2026-12-31T00:00:00-05:00", date(2026, 12, 31), False),
        ("0001-01-01T00:00:00", None, False),
        ("9999-12-31T23:59:59", None, True),
        (None, None, False),
    ],
)
def test_dates_are_written_days_but_true_moments_when_they_have_an_offset(
    wire: Any, text: Any, day: Any, no_end: bool
) -> None:
    (found,) = read(wire, contract(endDate=text))

    assert (found.end_date, found.no_end) == (day, no_end)


@pytest.mark.parametrize(
    ("name", "currency"),
    [("CAD", "CAD"), ("eur", "EUR"), ("US Dollar", "USD"), ("Pound Sterling", "GBP"), (None, "USD"),
     ("", "USD")],
)  # fmt: skip
def test_the_currency_is_the_accounts_else_the_users(wire: Any, name: Any, currency: str) -> None:
    (found,) = read(wire, contract(), account={"id": 7, "currencyName": name})

    assert found.currency == currency


def test_a_currency_that_nobody_knows_is_reported_and_not_guessed(wire: Any) -> None:
    wire.get(CONTRACTS, json=good([contract()], totalRecords=1))
    wire.get(LOOKUP, json=good([{"id": 50}]))
    wire.get(f"{ACCOUNTS}/7", json={"id": 7, "currencyName": "Gold coins"})

    (page,) = adapter().agreements(company_ids=["7"])

    assert [(r.external_id, r.code) for r in page.rejected] == [("50", "invalid_record")]
    assert "Gold" not in page.rejected[0].message
