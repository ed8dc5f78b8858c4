from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import responses

from integrations.psa.contract import FoundRecord
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
    wire.get(ACCOUNTS, json=good([{"id": 7}], totalRecords=1))

    (page,) = adapter().agreements(company_ids=["7"])

    assert page.records[0].amount == Decimal("12345678901.123456789")


def test_contracts_are_joined_by_id_also_when_two_accounts_share_a_name(wire: Any) -> None:
    wire.get(CONTRACTS, json=good([contract(50), contract(51)], totalRecords=2))
    for account, id_ in ((7, 50), (8, 51)):
        match = [responses.matchers.query_param_matcher({"AccountId": str(account)})]
        wire.get(LOOKUP, json=good([{"id": id_}]), match=match)
        wire.get(f"{ACCOUNTS}/{account}", json={"id": account, "accountName": "Twin"})
    twins = [{"id": 7, "accountName": "Twin"}, {"id": 8, "accountName": "Twin"}]
    wire.get(ACCOUNTS, json=good(twins, totalRecords=2))

    pages = adapter().agreements(company_ids=["7", "8"])

    found = [(r.company_id, r.external_id, r.is_claim) for page in pages for r in page.records]
    assert found == [("7", "50", False), ("8", "51", False)]


def test_a_contract_without_an_amount_is_reported_and_not_invented(wire: Any) -> None:
    wire.get(CONTRACTS, json=good([], totalRecords=0))
    wire.get(LOOKUP, json=good([{"id": 99}]))
    wire.get(f"{ACCOUNTS}/7", json={"id": 7})

    (page,) = adapter().agreements(company_ids=["7"])

    assert page.records == ()
    assert [(r.external_id, r.code) for r in page.rejected] == [("99", "invalid_record")]
    assert "amount" in page.rejected[0].message


@pytest.mark.parametrize(
    ("kind", "recurs"),
    [
        ("Recurring Services", True), ("recurring service", True), (" RecurringServices ", True),
        ("Time and Material", False), ("Retainer by Hours", False), (None, False),
    ],
)  # fmt: skip
def test_every_contract_is_listed_and_only_recurring_services_recur(
    wire: Any, kind: Any, recurs: bool
) -> None:
    (found,) = read(wire, contract(contractType=kind))

    assert (found.recurring, found.type) == (recurs, (kind or "").strip())


@pytest.mark.parametrize(
    ("label", "cycle"),
    [
        ("Monthly", "monthly"), (" weekly", "weekly"), ("Quarterly", "quarterly"),
        ("Yearly", "annual"), ("Annually", "annual"), ("Contract Length", "contract_length"),
        ("Semi-Annually", "semiannual"), ("Half-Yearly", "semiannual"),
        ("Bi-Annually", "semiannual"), ("Every 4 Weeks", {"unknown": "Every 4 Weeks"}),
        ("4-Weekly", {"unknown": "4-Weekly"}), ("Daily", {"unknown": "Daily"}), (None, None),
        ("", None),
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
     ("", "USD"), ("US Dollars", "USD"), ("USD - US Dollar", "USD"), ("GB Pounds", "GBP"),
     ("Canadian Dollar (CAD)", "CAD"), ("$", "$"), ("Gold coins", "Gold coins")],
)  # fmt: skip
def test_the_currency_is_the_accounts_else_the_users(wire: Any, name: Any, currency: str) -> None:
    (found,) = read(wire, contract(), account={"id": 7, "currencyName": name})

    assert found.currency == currency


def claims(wire: Any, raw: Any, *accounts: tuple[int, str], shown_at: tuple[int, ...]) -> None:
    """A contract that the look-ups of these accounts show."""
    wire.get(CONTRACTS, json=good([raw], totalRecords=1))
    rows = [{"id": id_, "accountName": name} for id_, name in accounts]
    wire.get(ACCOUNTS, json=good(rows, totalRecords=len(rows)))
    for row in rows:
        match = [responses.matchers.query_param_matcher({"AccountId": str(row["id"])})]
        shown = [{"id": raw["id"]}] if row["id"] in shown_at else []
        wire.get(LOOKUP, json=good(shown), match=match)
        wire.get(f"{ACCOUNTS}/{row['id']}", json=row)
    for id_, shown in ((raw["id"], [{"id": raw["id"]}]), (raw["id"] + 1, [])):
        match = [responses.matchers.query_param_matcher({"Ids": str(id_)})]
        wire.get(LOOKUP, json=good(shown), match=match)


def owners(*company_ids: str) -> list[tuple[str, bool, tuple[str, ...]]]:
    pages = adapter().agreements(company_ids=company_ids)
    return [(r.company_id, r.is_claim, r.claimed_by) for page in pages for r in page.records]


HEAD, BRANCH = (7, "Twin"), (8, "Twin Branch")


def test_a_contract_that_a_branch_shows_too_is_the_head_offices(wire: Any) -> None:
    claims(wire, contract(accountName=" TWIN "), HEAD, BRANCH, shown_at=(7, 8))

    assert owners("7", "8") == owners("7") == [("7", False, ())]
    assert owners("8") == []
    assert adapter().find("agreements", "50") == FoundRecord("7")
    assert adapter().find("agreements", "51") is None


@pytest.mark.parametrize("name", [None, "", "Somebody Else"])
def test_without_a_name_that_decides_each_only_claims_it(wire: Any, name: Any) -> None:
    claims(wire, contract(accountName=name), HEAD, BRANCH, shown_at=(7, 8))

    assert owners("7", "8") == [("7", True, ("8",)), ("8", True, ("7",))]
    assert owners("8") == [("8", True, ())]
    assert adapter().find("agreements", "50") == FoundRecord()


def test_a_name_that_two_claimers_have_decides_nothing(wire: Any) -> None:
    claims(wire, contract(), HEAD, (8, "twin"), shown_at=(7, 8))

    assert owners("8") == [("8", True, ("7",))]


def test_a_namesake_that_does_not_show_the_contract_claims_nothing(wire: Any) -> None:
    claims(wire, contract(), HEAD, (8, "twin"), shown_at=(7,))

    assert owners("7") == [("7", False, ())]
