from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import responses

from tests.integrations.adapters.connectwise.answers import (
    BASE,
    MONTHLY,
    adapter,
    agreements,
)


def test_an_agreement_is_mapped_as_the_definition_of_mrr_wants_it(
    wire: responses.RequestsMock,
) -> None:
    wire.get(
        f"{BASE}/finance/agreements/1/additions",
        json=[
            {
                "id": 11,
                "product": {"identifier": "SEAT"},
                "quantity": 48.0,
                "lessIncluded": 5.0,
                "unitPrice": 38.5,
                "billCustomer": "Billable",
                "effectiveDate": "2026-01-01T00:00:00Z",
                "cancelledDate": "2026-06-30T00:00:00Z",
            },
            {
                "id": 12,
                "quantity": 3,
                "billedQuantity": 2,
                "unitPrice": 1,
                "billCustomer": "NoCharge",
            },
        ],
    )

    (found,) = agreements(
        wire,
        {
            "id": 1,
            "name": "Gold",
            "billingCycle": {"id": 9, "name": "Every 2 months"},
            "startDate": "2026-01-01T00:00:00Z",
            "dateCancelled": "2026-09-01T00:00:00Z",
            "cancelledFlag": True,
            "currency": {"currencyCode": "usd"},
            "oneTimeFlag": True,
            "applicationCycle": "CalendarMonth",
        },
    ).records

    assert (found.cycle, found.cycle_label) == ("bimonthly", "Every 2 months")
    assert found.amount == Decimal(0)
    assert found.currency == "USD"
    assert found.start_date == date(2026, 1, 1)
    assert (found.cancelled, found.cancelled_date) == (True, date(2026, 8, 31))
    first, second = found.lines
    assert (first.quantity, first.less_included, first.unit_price) == (48, 5, Decimal("38.5"))
    assert (first.start_date, first.end_date) == (date(2026, 1, 1), date(2026, 6, 30))
    assert (second.quantity, second.less_included, second.bill) == (2, None, "no_charge")


@pytest.mark.parametrize("cancelled", [False, True])
def test_year_one_is_no_day_of_cancelling(wire: responses.RequestsMock, cancelled: bool) -> None:
    row = {"id": 1, "dateCancelled": "0001-01-01T00:00:00Z", "cancelledFlag": cancelled}

    page = agreements(wire, row, {"id": 2})

    assert page.rejected == ()
    assert [(one.cancelled, one.cancelled_date) for one in page.records] == [
        (cancelled, None),
        (False, None),
    ]


def test_money_is_exact_to_the_last_digit(wire: responses.RequestsMock) -> None:
    body = '[{"id": 1, "company": {"id": 7}, "billAmount": 12345678901.123456789}]'
    wire.get(f"{BASE}/finance/agreements", body=body)

    (page,) = adapter().agreements(company_ids=["7"])

    assert page.records[0].amount == Decimal("12345678901.123456789")


@pytest.mark.parametrize(
    ("row", "cycle", "recurring"),
    [
        ({"billOneTimeFlag": True}, "one_time", False),
        ({}, None, False),
        ({"billingCycle": {"id": 10, "name": "None"}}, "not_recurring", None),
        (
            {"billingCycle": {"id": 99, "name": "Annual - paid monthly"}},
            {"unknown": "Annual - paid monthly"},
            None,
        ),
    ],
)
def test_what_does_not_recur_has_no_lines_read(
    wire: responses.RequestsMock, row: Any, cycle: Any, recurring: bool | None
) -> None:
    wire.get(f"{BASE}/finance/agreements/1/additions", json=[])

    (found,) = agreements(wire, {"id": 1, **row}).records

    assert (found.cycle, found.recurring) == (cycle, recurring)


@pytest.mark.parametrize(
    ("name", "cycle"),
    [
        ("Monthly", "monthly"),
        ("Bi-Monthly", "bimonthly"),
        ("Half-Yearly", "semiannual"),
        ("fortnightly", "biweekly"),
        ("None", "not_recurring"),
        ("Monthly in advance", {"unknown": "Monthly in advance"}),
        ("Contract", {"unknown": "Contract"}),
        ("Daily", {"unknown": "Daily"}),
        ("4-Weekly", {"unknown": "4-Weekly"}),
        ("", {"unknown": "billing cycle 5"}),
    ],
)
def test_without_the_table_only_exact_names_are_understood(
    wire: responses.RequestsMock, name: str, cycle: Any
) -> None:
    wire.get(f"{BASE}/finance/agreements/1/additions", json=[])

    (found,) = agreements(
        wire, {"id": 1, "billingCycle": {"id": 5, "name": name}}, cycles=None
    ).records

    assert found.cycle == cycle


def test_refused_additions_make_the_agreement_incomplete(wire: responses.RequestsMock) -> None:
    wire.get(f"{BASE}/finance/agreements/1/additions", json={"code": "Security"}, status=403)

    (found,) = agreements(wire, {"id": 1, "billingCycle": MONTHLY, "billAmount": 5}).records

    assert found.incomplete
    assert found.lines == ()


def test_one_bad_addition_makes_its_agreement_incomplete_and_is_named(
    wire: responses.RequestsMock,
) -> None:
    rows = [{"id": 11, "quantity": 1, "unitPrice": 2}, {"id": 12, "quantity": "many"}]
    wire.get(f"{BASE}/finance/agreements/1/additions", json=rows)

    page = agreements(wire, {"id": 1, "billingCycle": MONTHLY})

    assert page.records[0].incomplete
    assert [line.external_id for line in page.records[0].lines] == ["11"]
    assert [(r.external_id, r.code) for r in page.rejected] == [("12", "invalid_record")]


def test_a_child_takes_its_parents_cycle_also_when_that_is_another_companys(
    wire: responses.RequestsMock,
) -> None:
    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        asked = request.params.get("conditions", "")
        child = {"id": 1, "company": {"id": 7}, "parentAgreement": {"id": 50}}
        parent = {"id": 50, "billingCycle": MONTHLY}
        return 200, {}, json.dumps([parent] if asked == "id in (50)" else [child])

    wire.get(f"{BASE}/finance/billingCycles", json=[{"id": 2, "billingOptions": "Monthly"}])
    wire.add_callback("GET", f"{BASE}/finance/agreements", callback=answer)
    wire.get(f"{BASE}/finance/agreements/1/additions", json=[])

    (page,) = adapter().agreements(company_ids=["7"])

    assert [(a.external_id, a.cycle, a.parent_id) for a in page.records] == [("1", "monthly", "50")]


def test_additions_of_an_agreement_that_is_just_deleted_are_unknown(
    wire: responses.RequestsMock,
) -> None:
    wire.get(f"{BASE}/finance/agreements/1/additions", body="", status=404)
    wire.get(f"{BASE}/company/companies", json=[{"id": 7}])

    (found,) = agreements(wire, {"id": 1, "billingCycle": MONTHLY}).records

    assert (found.incomplete, found.lines) == (True, ())


def additions(wire: responses.RequestsMock, count: int, *, links: bool) -> None:
    """Additions of 1 x 10.00 that come 25 a page, whatever is asked for."""
    path = f"{BASE}/finance/agreements/1/additions"

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        page = int(request.params["page"])
        numbers = range((page - 1) * 25, min(page * 25, count))
        rows = [{"id": 100 + number, "quantity": 1, "unitPrice": 10.0} for number in numbers]
        link = f'<{path}?page={page + 1}>; rel="next"' if page * 25 < count else ""
        return 200, {"Link": link} if links else {}, json.dumps(rows)

    wire.add_callback("GET", path, callback=answer)


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("count", [60, 50, 24])
def test_all_additions_come_however_long_a_page_is(
    wire: responses.RequestsMock, count: int, links: bool
) -> None:
    additions(wire, count, links=links)
    wire.get(f"{BASE}/finance/agreements/1/additions/count", json={"count": count})

    page = agreements(wire, {"id": 1, "billingCycle": MONTHLY})

    (found,) = page.records
    amounts = [line.quantity * line.unit_price for line in found.lines]
    assert sum(amounts) == count * 10
    assert (found.incomplete, page.short, page.rejected) == (False, None, ())


def test_additions_that_end_before_their_count_leave_the_agreement_incomplete(
    wire: responses.RequestsMock,
) -> None:
    additions(wire, 50, links=False)
    wire.get(f"{BASE}/finance/agreements/1/additions/count", json={"count": 60})

    page = agreements(wire, {"id": 1, "billingCycle": MONTHLY})

    assert page.records[0].incomplete
    assert page.short == (50, 60)
    assert "additions of agreement 1 ended after 50 of 60" in page.rejected[0].message
    assert page.rejected[0].is_line


def test_a_refused_count_of_additions_condemns_nothing(wire: responses.RequestsMock) -> None:
    additions(wire, 50, links=False)
    wire.get(f"{BASE}/finance/agreements/1/additions/count", json={"code": "NotFound"}, status=404)

    page = agreements(wire, {"id": 1, "billingCycle": MONTHLY})

    assert (len(page.records[0].lines), page.records[0].incomplete, page.short) == (50, False, None)


def test_of_two_versions_of_an_addition_the_newer_one_counts(wire: responses.RequestsMock) -> None:
    def version(price: int, stamp: str) -> Any:
        return {"id": 11, "quantity": 1, "unitPrice": price, "_info": {"lastUpdated": stamp}}

    rows = [version(20, "2026-06-02T00:00:00Z"), version(10, "2026-06-01T00:00:00Z")]
    wire.get(f"{BASE}/finance/agreements/1/additions", json=rows)

    (found,) = agreements(wire, {"id": 1, "billingCycle": MONTHLY}).records

    assert [line.unit_price for line in found.lines] == [20]


def test_billing_cycles_come_in_pages_too(wire: responses.RequestsMock) -> None:
    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        page = int(request.params["page"])
        link = f'<{BASE}/finance/billingCycles?page=2>; rel="next"' if page == 1 else ""
        row = {"id": page, "name": f"Cycle {page}", "billingOptions": "Quarterly"}
        return 200, {"Link": link}, json.dumps([row])

    wire.add_callback("GET", f"{BASE}/finance/billingCycles", callback=answer)
    wire.get(f"{BASE}/finance/agreements/1/additions", json=[])
    row = {"id": 1, "company": {"id": 7}, "billingCycle": {"id": 2, "name": "Cycle 2"}}
    wire.get(f"{BASE}/finance/agreements", json=[row])

    (page,) = adapter().agreements(company_ids=["7"])

    assert page.records[0].cycle == "quarterly"


@pytest.mark.parametrize(
    ("currency", "code"),
    [
        (None, ""),
        ({"currencyCode": "usd"}, "USD"),
        ({"currencyIdentifier": "GBP", "symbol": "£"}, "GBP"),
        ({"currencyCode": "", "name": "Canadian Dollars"}, "CAD"),
        ({"currencyCode": "CU$", "currencyIdentifier": "AUD"}, "AUD"),
        ({"symbol": "$"}, "$"),
        ({"id": 3}, "currency 3"),
    ],
)
def test_a_currency_by_the_first_member_that_is_one(
    wire: responses.RequestsMock, currency: Any, code: str
) -> None:
    (found,) = agreements(wire, {"id": 1, "billOneTimeFlag": True, "currency": currency}).records

    assert found.currency == code
