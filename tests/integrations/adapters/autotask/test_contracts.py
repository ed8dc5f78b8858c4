from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from integrations.adapters.autotask.contracts import find_renewals
from integrations.adapters.autotask.wire import WireContract
from integrations.psa.contract import PsaUnits
from tests.integrations.adapters.autotask.answers import (
    ZONE,
    adapter,
    answer,
    contract,
    read,
    unit_row,
)


def test_a_contract_with_its_services_bundles_and_set_up_fee(wire: Any) -> None:
    (found,) = read(
        wire,
        contract(setupFee=995.0),
        ContractServices=[{"id": 81, "contractID": 100, "serviceID": 45,
                           "invoiceDescription": "Managed Endpoint"}],
        ContractServiceUnits=[unit_row(1, "2026-11-01", "2026-11-30", 20, 440.0)],
        ContractServiceBundles=[{"id": 81, "contractID": 100, "serviceBundleID": 2,
                                 "invoiceDescription": "Professional Seat"}],
        ContractServiceBundleUnits=[
            unit_row(1, "2026-11-01", "2026-11-30", 12, 780.0, contractServiceID=None,
                     contractServiceBundleID=81, serviceID=None, serviceBundleID=2)
        ],
    )  # fmt: skip

    assert (found.currency, found.cycle, found.amount) == ("EUR", "monthly", Decimal(0))
    assert (found.recurring, found.active, found.cancelled) == (True, True, False)
    assert (found.start_date, found.end_date) == (date(2026, 7, 1), date(2027, 6, 30))
    service, bundle, fee = found.lines
    assert (service.external_id, service.kind, service.description) == (
        "service-81", "service", "Managed Endpoint",
    )  # fmt: skip
    assert service.units == (
        PsaUnits(date(2026, 11, 1), date(2026, 11, 30), Decimal(20), amount=Decimal(440)),
    )
    assert (bundle.external_id, bundle.kind) == ("bundle-81", "bundle")
    assert [row.amount for row in bundle.units or ()] == [780]
    assert (fee.one_time, fee.quantity, fee.unit_price) == (True, Decimal(1), Decimal(995))


def test_the_price_of_a_unit_row_is_for_all_units_and_never_multiplied(wire: Any) -> None:
    rows = [unit_row(1, "2026-11-01", "2026-11-30", 12, 312.0)]

    (found,) = read(wire, contract(), ContractServiceUnits=rows)

    assert [row.amount for line in found.lines for row in line.units or ()] == [312]


@pytest.mark.parametrize(
    ("entity", "rows"),
    [
        ("ContractServiceUnits", None),
        ("ContractServices", None),
        ("ContractServiceBundleUnits", [{"id": 5, "contractID": 100, "units": "many"}]),
        ("ContractServices", [{"id": 5, "contractID": {"a": 1}}]),
        ("ContractServiceUnits", [{"id": 5, "contractID": 100, "units": 1, "price": 1}]),
    ],
)
def test_lines_that_could_not_be_read_leave_the_contract_out(
    wire: Any, entity: str, rows: Any
) -> None:
    if rows is None:
        body = {"errors": ["does not have the adequate permissions"]}
        wire.post(f"{ZONE}/{entity}/query", status=500, json=body)
        (found,) = read(wire, contract())
    else:
        (found,) = read(wire, contract(), **{entity: rows})

    assert found.incomplete


def test_units_of_a_line_that_is_not_listed_are_money_too(wire: Any) -> None:
    rows = [
        unit_row(1, "2026-11-01", "2026-11-30", 1, 10.0, contractServiceID=99),
        unit_row(2, "2026-11-01", "2026-11-30", 1, 7.0, contractServiceID=None),
    ]

    (found,) = read(wire, contract(), ContractServiceUnits=rows)

    assert {line.external_id: line.units[0].amount for line in found.lines if line.units} == {
        "service-99": 10, "service-catalogue-45": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "cycle"),
    [(2, "monthly"), (3, "quarterly"), (4, "semiannual"), (5, "annual"), ("q", "quarterly"),
     (9, {"unknown": "period type 9"}), (None, None)],
)  # fmt: skip
def test_the_period_type_is_a_number_or_the_old_letter(wire: Any, value: Any, cycle: Any) -> None:
    (found,) = read(wire, contract(contractPeriodType=value))

    assert found.cycle == cycle


def test_a_tenants_own_label_says_what_a_period_type_is(wire: Any) -> None:
    values = [{"value": "11", "label": "Semi-Annual"}, {"value": "0", "label": "Gekündigt"}]
    fields = [
        {"name": "contractPeriodType", "picklistValues": values},
        {"name": "status", "picklistValues": values},
    ]
    wire.replace("GET", f"{ZONE}/Contracts/entityInformation/fields", json={"fields": fields})

    (found,) = read(wire, contract(contractPeriodType=11, status=0))

    assert (found.cycle, found.cycle_label) == ("semiannual", "Semi-Annual")
    assert (found.status, found.active) == ("Gekündigt", False)


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ({1: 2}, {2: ["1"]}),
        ({2: 1}, {2: ["1"]}),
        ({1: 2, 2: 1}, {2: ["1"]}),
        ({1: 2, 2: 3}, {2: ["1"], 3: ["2"]}),
        ({1: 3, 2: 3}, {3: ["1", "2"]}),
        ({1: 99}, {}),
        ({1: 1}, {}),
    ],
)
def test_of_two_linked_contracts_the_later_renews_the_earlier(
    links: dict[int, int], expected: dict[int, list[str]]
) -> None:
    contracts = [
        WireContract(
            id=id_, company_id=7, start_date=f"202{id_}-01-01T00:00:00Z",
            renewed_contract_id=links.get(id_),
        )
        for id_ in (3, 1, 2)
    ]  # fmt: skip

    assert find_renewals(contracts) == expected


def test_contracts_of_two_companies_are_never_linked() -> None:
    one = WireContract(id=1, company_id=7, start_date="2025-01-01", renewed_contract_id=2)
    other = WireContract(id=2, company_id=8, start_date="2026-01-01")

    assert find_renewals([one, other]) == {}


def test_a_date_after_the_calendar_sets_its_contract_aside(wire: Any) -> None:
    late = unit_row(21, "9999-12-01", "9999-12-31", 1, 9, contractID=2)

    found = read(wire, contract(), contract(id=2), ContractServiceUnits=[late])

    assert [record.external_id for record in found] == ["100"]


@pytest.mark.parametrize(
    ("rows", "currency"),
    [
        ([{"id": 3, "name": " eur "}], "EUR"),
        ([{"id": 3, "name": "Euro"}], "Euro"),
        ([{"id": 3, "name": "GBP - British Pound"}], "GBP - British Pound"),
        ([{"id": 1, "name": "USD"}], "currency 3"),
    ],
)
def test_a_currency_is_the_code_that_its_table_names_or_the_word(
    wire: Any, rows: list[Any], currency: str
) -> None:
    answer(wire, "Contracts", contract())
    for entity in ("ContractServices", "ContractServiceUnits", "ContractServiceBundles",
                   "ContractServiceBundleUnits"):  # fmt: skip
        answer(wire, entity)
    answer(wire, "Companies", {"id": 7, "currencyID": 3})
    answer(wire, "Currencies", *rows)

    (page,) = adapter().agreements(company_ids=["7"])

    assert page.records[0].currency == currency


def test_contracts_of_other_types_are_listed_without_a_question_for_their_lines(wire: Any) -> None:
    answer(wire, "Contracts", contract(contractType=1, contractPeriodType=None, setupFee=5.0))
    answer(wire, "Companies", {"id": 7, "currencyID": None})
    answer(wire, "Currencies", {"id": 1, "name": "USD"})

    (page,) = adapter().agreements(company_ids=["7"])

    (found,) = page.records
    assert (found.recurring, found.type, found.lines) == (False, "Time and Materials", ())
    asked = {
        call.request.url.split("/V1.0/")[1] for call in wire.calls if "/V1.0/" in call.request.url
    }
    assert not {path for path in asked if path.startswith("ContractService")}


def test_lines_are_read_on_when_their_server_caps_its_pages_in_silence(wire: Any) -> None:
    services = [{"id": 1000 + n, "contractID": 100, "serviceID": 45} for n in range(60)]

    def page_of(request: Any) -> tuple[int, dict[str, str], str]:
        last = next((f["value"] for f in json.loads(request.body)["filter"] if f["op"] == "gt"), 0)
        rows = [row for row in services if row["id"] > last][:25]
        return 200, {}, json.dumps({"items": rows, "pageDetails": {"requestCount": 500}})

    answer(wire, "Contracts", contract())
    wire.add_callback("POST", f"{ZONE}/ContractServices/query", callback=page_of)
    for entity in ("ContractServiceUnits", "ContractServiceBundles", "ContractServiceBundleUnits"):
        answer(wire, entity)
    answer(wire, "Companies", {"id": 7, "currencyID": 3})
    answer(wire, "Currencies", {"id": 3, "name": "EUR"})

    (page,) = adapter().agreements(company_ids=["7"])

    assert len(page.records[0].lines) == 60
