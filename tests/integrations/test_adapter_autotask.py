from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import responses

from integrations.adapters.autotask.adapter import AutotaskAdapter
from integrations.adapters.autotask.contracts import find_renewals
from integrations.adapters.autotask.unit_history import read_history
from integrations.adapters.autotask.wire import WireContract, WireUnits
from integrations.psa.contract import PsaAgreement, PsaUnits
from integrations.psa.errors import PsaError, PsaRateLimited, PsaRefused
from integrations.psa.http import PsaHttp

DISCOVERY = "https://webservices.autotask.net/ATServicesRest/V1.0/zoneInformation"
ZONE = "https://webservices14.autotask.net/ATServicesRest/V1.0"
OTHER_ZONE = "https://webservices29.autotask.net/ATServicesRest/V1.0"
SECRET = "canary-secret"
CREDENTIALS = {"username": "api@acme.example", "secret": SECRET, "tracking_identifier": "CODE"}


def zone_answer(zone: str = ZONE) -> dict[str, Any]:
    root = zone.removesuffix("V1.0")
    return {"zoneName": "AE02", "url": root, "webUrl": "https://ww14.autotask.net/", "ci": 7}


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(DISCOVERY, json=zone_answer())
        mock.get(f"{ZONE}/ThresholdInformation", json={})
        for entity in ("Companies", "Contracts"):
            mock.get(f"{ZONE}/{entity}/entityInformation/fields", json={"fields": []})
        for entity in ("Services", "ServiceBundles"):
            answer(mock, entity)
        yield mock


def adapter(memory: dict[str, str] | None = None) -> AutotaskAdapter:
    return AutotaskAdapter(
        CREDENTIALS,
        {"AUTOTASK_ZONE_INFORMATION_URL": ""},
        PsaHttp(allow_private_hosts=True, attempts=2, first_pause=0),
        {} if memory is None else memory,
    )


def answer(wire: responses.RequestsMock, entity: str, *items: Any, zone: str = ZONE) -> None:
    details = {"count": len(items), "requestCount": 500, "prevPageUrl": None, "nextPageUrl": None}
    wire.post(f"{zone}/{entity}/query", json={"items": list(items), "pageDetails": details})


# Zones and refusals


def test_the_zone_is_found_and_remembered_with_its_web_address(wire: Any) -> None:
    memory: dict[str, str] = {}
    answer(wire, "Companies")

    adapter(memory).authenticate()
    adapter(memory).authenticate()

    assert memory == {"zone": ZONE, "web": "https://ww14.autotask.net"}
    assert wire.assert_call_count(f"{DISCOVERY}?user=api%40acme.example", 1)
    headers = wire.calls[-1].request.headers
    assert (headers["ApiIntegrationCode"], headers["UserName"], headers["Secret"]) == (
        "CODE", "api@acme.example", SECRET,
    )  # fmt: skip


@pytest.mark.parametrize("status", [401, 404, 302])
def test_a_tenant_that_moved_is_found_anew_once(wire: Any, status: int) -> None:
    memory = {"zone": OTHER_ZONE}
    wire.post(f"{OTHER_ZONE}/Companies/query", status=status, body="")
    answer(wire, "Companies")

    adapter(memory).authenticate()

    assert memory["zone"] == ZONE
    assert wire.assert_call_count(f"{OTHER_ZONE}/Companies/query", 1)


def test_refused_keys_are_not_tried_again_in_the_same_zone(wire: Any) -> None:
    wire.post(f"{ZONE}/Companies/query", status=401, body="")

    with pytest.raises(PsaRefused) as caught:
        adapter().authenticate()

    assert caught.value.code == "invalid_credentials"
    assert wire.assert_call_count(f"{ZONE}/Companies/query", 1)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/ATServicesRest/",
        "https://autotask.net.evil.example/ATServicesRest/",
        "http://webservices14.autotask.net/ATServicesRest/",
        "",
    ],
)
def test_the_keys_go_to_autotasks_own_hosts_alone(url: str) -> None:
    with responses.RequestsMock() as mock:
        mock.get(DISCOVERY, json={**zone_answer(), "url": url})
        with pytest.raises(PsaError) as caught:
            adapter().authenticate()
        assert len(mock.calls) == 1

    assert caught.value.code == "bad_response"


@pytest.mark.parametrize(
    ("status", "body", "code", "word"),
    [
        (500, {"errors": ["Zone information could not be determined"]}, "invalid_credentials", "Username"),
        (500, "the sea is rough", "psa_unavailable", "status page"),
        (404, "", "invalid_credentials", "Username"),
        (401, "", "invalid_credentials", "Username"),
        (200, "<html>hello</html>", "not_a_psa_server", "report"),
    ],
)  # fmt: skip
def test_discovery_tells_a_mistyped_user_from_an_outage(
    status: int, body: Any, code: str, word: str
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    with responses.RequestsMock() as mock:
        mock.get(DISCOVERY, status=status, body=text)
        with pytest.raises(PsaError) as caught:
            adapter().reach()

    assert caught.value.code == code
    assert word in caught.value.fix


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (500, {"errors": ["IntegrationCode is invalid."]}, "invalid_credentials"),
        (500, {"errors": ["IntegrationCode is invalid"]}, "invalid_credentials"),
        (500, {"errors": ["The logged in Resource does not have the adequate permissions to X"]}, "permission_denied"),
        (500, {"errors": [{"message": "adequate permissions", "field": None}]}, "permission_denied"),
        (403, "", "permission_denied"),
        (500, {"errors": ["Unable to find isActive in the Contract Entity."]}, "bad_response"),
        (500, {"errors": ["Invalid query syntax. Queries are limited to 500 or fewer 'OR' conditions."]}, "bad_response"),
        (405, {"Message": "The requested resource does not support http method 'GET'."}, "bad_response"),
        (429, {"errors": ["API thread threshold of 3 threads has been exceeded."]}, "rate_limited"),
        (500, {"errors": ["Itgenatr005"]}, "rate_limited"),
        (500, {"errors": ["Unexpected"]}, "psa_unavailable"),
        (500, "", "psa_unavailable"),
        (200, {"errors": ["IntegrationCode is invalid."]}, "invalid_credentials"),
    ],
)  # fmt: skip
def test_a_500_is_often_the_askers_mistake(wire: Any, status: int, body: Any, code: str) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    wire.post(f"{ZONE}/Contacts/query", status=status, body=text)

    with pytest.raises(PsaError) as caught:
        list(adapter().contacts(company_ids=["1"]))

    assert caught.value.code == code
    assert caught.value.fix
    assert SECRET not in f"{caught.value!r} {caught.value.fix}"


def test_entities_hidden_by_a_security_level_are_refused_by_name(wire: Any) -> None:
    answer(wire, "Contracts")
    info = {"canQuery": True, "userAccessForQuery": "None"}
    wire.get(f"{ZONE}/Contracts/entityInformation", json={"info": info})

    with pytest.raises(PsaRefused) as caught:
        adapter().probe("read_agreements")

    assert caught.value.code == "permission_denied"
    assert "Contract Visibility" in caught.value.fix


@pytest.mark.parametrize(("used", "waits"), [(8_999, False), (9_000, True)])
def test_the_last_tenth_of_the_hourly_budget_is_left_to_others(
    wire: Any, used: int, waits: bool
) -> None:
    answer(wire, "Companies")
    psa = adapter()
    psa.authenticate()
    budget = {"externalRequestThreshold": 10_000, "currentTimeframeRequestCount": used}
    wire.replace("GET", f"{ZONE}/ThresholdInformation", json=budget)

    if not waits:
        psa.authenticate()
        return
    with pytest.raises(PsaRateLimited) as caught:
        psa.authenticate()
    assert caught.value.retry_after == 300
    assert "9,000" in caught.value.message


# Contacts and companies


def test_contacts_take_the_first_address_and_number_that_there_is(wire: Any) -> None:
    answer(
        wire, "Contacts",
        {"id": 1, "companyID": 0, "firstName": " Ana ", "emailAddress": "", "emailAddress2": None,
         "emailAddress3": " c@x.example ", "phone": "", "mobilePhone": "1", "isActive": 1,
         "primaryContact": True},
        {"id": 2, "companyID": 7, "emailAddress": "a@x.example", "phone": "2", "extension": "9",
         "isActive": 0, "primaryContact": None},
        {"id": 3, "companyID": 7, "isActive": False},
        {"id": 4, "companyID": 7, "isActive": "1"},
    )  # fmt: skip

    (page,) = adapter().contacts(company_ids=["7"])

    assert [(c.company_id, c.email, c.phone, c.is_active, c.is_default) for c in page.records] == [
        ("0", "c@x.example", "1", True, True),
        ("7", "a@x.example", "2 x9", False, False),
        ("7", "", "", False, False),
        ("7", "", "", True, False),
    ]


def test_the_msps_own_organisation_is_marked_and_the_inactive_say_so(wire: Any) -> None:
    fields = [{"name": "companyType", "picklistValues": [{"value": "6", "label": "Former client"}]}]
    wire.replace("GET", f"{ZONE}/Companies/entityInformation/fields", json={"fields": fields})
    wire.post(f"{ZONE}/Companies/query/count", json={"queryCount": 2})
    answer(
        wire, "Companies",
        {"id": 0, "companyName": "Us", "companyType": 1, "isActive": True},
        {"id": 5, "companyName": "Gone", "companyType": 6, "isActive": False},
    )  # fmt: skip

    (page,) = adapter().companies()

    own, gone = page.records
    assert (own.external_id, own.is_own, own.status) == ("0", True, "Active")
    assert (gone.is_own, gone.status, gone.is_active, gone.type) == (
        False, "Inactive", False, "Former client",
    )  # fmt: skip
    assert gone.url.endswith("Code=OpenAccount&AccountID=5")


def test_pages_go_on_behind_the_last_id_whatever_the_page_size(wire: Any) -> None:
    """A server may clip the page (`requestCount`), or name a next page beside a short one."""
    wire.post(f"{ZONE}/Contacts/query/count", json={"queryCount": 3})
    pages = [
        {"items": [{"id": 1}, {"id": 4}], "pageDetails": {"requestCount": 2}},
        {"items": [{"id": 6}], "pageDetails": {"requestCount": 500, "nextPageUrl": "https://x"}},
        {"items": [], "pageDetails": {"requestCount": 500, "nextPageUrl": None}},
    ]
    asked: list[Any] = []

    def reply(request: Any) -> tuple[int, dict[str, str], str]:
        asked.append(json.loads(request.body)["filter"][0])
        return 200, {}, json.dumps(pages[len(asked) - 1])

    wire.add_callback("POST", f"{ZONE}/Contacts/query", callback=reply)

    found = [c.external_id for page in adapter().contacts() for c in page.records]

    assert found == ["1", "4", "6"]
    assert [(one["op"], one["value"]) for one in asked] == [("gte", 0), ("gt", 4), ("gt", 6)]


# Contracts


def contract(**over: Any) -> dict[str, Any]:
    return {
        "id": 100, "companyID": 7, "contractName": "Managed", "contractType": 7, "status": 1,
        "contractPeriodType": 2, "startDate": "2026-07-01T00:00:00Z",
        "endDate": "2027-06-30T00:00:00Z", "setupFee": 0.0, **over,
    }  # fmt: skip


def unit_row(id_: int, start: str, end: str, units: Any, price: Any, **over: Any) -> dict[str, Any]:
    return {
        "id": id_, "contractID": 100, "contractServiceID": 81, "serviceID": 45,
        "startDate": f"{start}T00:00:00Z", "endDate": f"{end}T00:00:00Z", "units": units,
        "price": price, **over,
    }  # fmt: skip


def read(wire: responses.RequestsMock, *contracts: Any, **rows: list[Any]) -> list[PsaAgreement]:
    answer(wire, "Contracts", *contracts)
    for entity in ("ContractServices", "ContractServiceUnits", "ContractServiceBundles",
                   "ContractServiceBundleUnits"):  # fmt: skip
        answer(wire, entity, *rows.get(entity, ()))
    answer(wire, "Companies", {"id": 7, "currencyID": 3})
    answer(wire, "Currencies", {"id": 1, "name": "USD"}, {"id": 3, "name": "eur"})
    (page,) = adapter().agreements(company_ids=["7"])
    return list(page.records)


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
     (9, None), (None, None)],
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
        ({1: 2}, {2: "1"}),
        ({2: 1}, {2: "1"}),
        ({1: 2, 2: 1}, {2: "1"}),
        ({1: 2, 2: 3}, {2: "1", 3: "2"}),
        ({1: 99}, {}),
        ({1: 1}, {}),
    ],
)
def test_of_two_linked_contracts_the_later_renews_the_earlier(
    links: dict[int, int], expected: dict[int, str]
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


# Unit history: the full period's amount (method A)


def units(*rows: tuple[str, str, Any, Any]) -> list[WireUnits]:
    return [
        WireUnits(
            id=number, start_date=start, end_date=end,
            units=None if count is None else Decimal(count),
            price=None if price is None else Decimal(price),
        )
        for number, (start, end, count, price) in enumerate(rows, start=1)
    ]  # fmt: skip


def amounts(found: tuple[PsaUnits, ...]) -> list[tuple[str, str, str | None]]:
    return [
        (str(row.start_date), str(row.end_date), None if row.amount is None else f"{row.amount:f}")
        for row in found
    ]


START = date(2026, 1, 1)


def test_rows_of_one_amount_are_joined() -> None:
    rows = units(
        ("2026-01-01", "2026-01-31", 2, "50.00"),
        ("2026-02-01", "2026-02-28", 2, "50.00"),
        ("2026-03-01", "2026-03-31", 3, "75.00"),
    )

    found, cycle = read_history(rows, 1, START)

    assert cycle is None
    assert amounts(found) == [
        ("2026-01-01", "2026-02-28", "50.00"),
        ("2026-03-01", "2026-03-31", "75.00"),
    ]


@pytest.mark.parametrize("last_day", ["2026-03-09", "2026-03-10"])
def test_a_change_inside_a_period_takes_full_rows_with_the_same_units(last_day: str) -> None:
    """Whether the earlier row ends on the day of the change or before it is not known: both do."""
    rows = units(
        ("2026-02-01", "2026-02-28", 10, "200.00"),
        ("2026-03-01", last_day, 10, "58.06"),
        ("2026-03-10", "2026-03-31", 11, "156.13"),
        ("2026-04-01", "2026-04-30", 11, "220.00"),
    )

    found, _ = read_history(rows, 1, START)

    assert [row.units for row in found] == [10, 11]
    assert [row.amount for row in found] == [200, 220]


def test_a_last_part_period_scales_the_row_before_it() -> None:
    rows = units(
        ("2026-01-01", "2026-01-31", 10, "200.00"),
        ("2026-02-01", "2026-02-14", 12, "120.00"),
    )

    found, _ = read_history(rows, 1, START)

    assert [row.amount for row in found] == [200, 240]


def test_a_lone_stub_is_grossed_up_by_days() -> None:
    found, _ = read_history(units(("2026-01-11", "2026-01-31", 1, "21.00")), 1, START)

    assert [row.amount for row in found] == [31]


def test_a_quarter_row_is_a_quarters_amount() -> None:
    found, cycle = read_history(units(("2026-01-01", "2026-03-31", 4, "360.00")), 3, START)

    assert cycle is None
    assert [row.amount for row in found] == [360]


@pytest.mark.parametrize("end", ["2026-03-30", "2026-03-31"])
def test_periods_of_a_contract_begun_on_the_31st_are_full(end: str) -> None:
    rows = units(("2026-02-28", end, 1, "10.00"))

    found, _ = read_history(rows, 1, date(2026, 1, 31))

    assert [f"{row.amount}" for row in found] == ["10.00"]


def test_from_31_august_to_27_february_is_not_half_a_year() -> None:
    rows = units(
        ("2026-08-31", "2027-02-27", 4, "590.2174"),
        ("2027-02-28", "2027-08-27", 4, "600.00"),
    )

    found, _ = read_history(rows, 6, date(2025, 2, 28))

    assert [row.amount for row in found] == [600]


def test_without_a_period_type_the_rows_own_length_counts() -> None:
    quarters = units(
        ("2026-01-01", "2026-03-31", 4, "360.00"), ("2026-04-01", "2026-06-30", 4, "360.00")
    )
    mixed = units(
        ("2026-01-01", "2026-01-31", 1, "100.00"), ("2026-02-01", "2026-04-30", 1, "310.00")
    )
    stub = units(("2026-01-10", "2026-01-20", 1, "10.00"))

    assert read_history(quarters, None, START)[1] == "quarterly"
    found, cycle = read_history(mixed, None, START)
    assert (cycle, amounts(found)) == (
        "monthly",
        [
            ("2026-01-01", "2026-01-31", "100.0000000000"),
            ("2026-02-01", "2026-04-30", "103.3333333333"),
        ],
    )
    assert [row.amount for row in read_history(stub, None, START)[0]] == [None]  # never guessed


def test_nothing_costs_nothing_and_a_missing_price_is_not_nothing() -> None:
    rows = units(
        ("2026-01-01", "2026-01-10", 0, "0"),
        ("2026-02-01", "2026-02-28", 5, None),
        ("2026-03-31", "2026-03-01", 5, "9"),
    )

    found, _ = read_history(rows, 1, START)

    assert [row.amount for row in found] == [0, None]


@pytest.mark.parametrize("months", [1, None])
def test_a_row_for_ever_is_no_full_one(months: int | None) -> None:
    rows = units(
        ("2026-01-01", "2026-01-31", 2, "50.00"),
        ("2026-02-01", "2026-02-28", 2, "50.00"),
        ("2026-03-01", "9999-12-31", 2, "99.00"),
    )

    found, _ = read_history(rows, months, START)

    assert amounts(found) == [("2026-01-01", "9999-12-31", "50.00")]


def test_a_date_behind_the_calendar_sets_its_contract_aside(wire: Any) -> None:
    late = unit_row(21, "9999-12-01", "9999-12-31", 1, 9, contractID=2)

    found = read(wire, contract(), contract(id=2), ContractServiceUnits=[late])

    assert [record.external_id for record in found] == ["100"]


def test_no_rows_are_an_empty_history() -> None:
    assert read_history([], 1, START) == ((), None)
    assert read_history([], None, None) == ((), "monthly")
