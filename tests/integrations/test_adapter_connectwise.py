from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import responses

from integrations.adapters.connectwise.adapter import ConnectWiseAdapter
from integrations.adapters.connectwise.api import api_address
from integrations.psa.errors import PsaBadResponse, PsaError, PsaRefused, PsaUnavailable
from integrations.psa.http import PsaHttp

BASE = "https://api-na.myconnectwise.net/v2025_1/apis/3.0"
INFO = "https://api-na.myconnectwise.net/login/companyinfo/acmemsp"
SECRET = "canary-private-key"
CREDENTIALS = {
    "server_url": "na.myconnectwise.net",
    "company_id": "acmemsp",
    "public_key": "pub",
    "private_key": SECRET,
}


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(INFO, json={"CompanyName": "Acme", "Codebase": "v2025_1/", "IsCloud": "True"})
        yield mock


def adapter(memory: dict[str, str] | None = None, client_id: str = "guid") -> ConnectWiseAdapter:
    return ConnectWiseAdapter(
        CREDENTIALS,
        {"CONNECTWISE_CLIENT_ID": client_id},
        PsaHttp(allow_private_hosts=True),
        {} if memory is None else memory,
    )


@pytest.mark.parametrize(
    ("typed", "root"),
    [
        ("na.myconnectwise.net", "https://api-na.myconnectwise.net"),
        ("https://na.myconnectwise.net/", "https://api-na.myconnectwise.net"),
        ("https://api-na.myconnectwise.net", "https://api-na.myconnectwise.net"),
        (" API-EU.myconnectwise.net/v4_6_release/apis/3.0/ ", "https://api-eu.myconnectwise.net"),
        ("aus.myconnectwise.net", "https://api-aus.myconnectwise.net"),
        ("https://za.myconnectwise.net?x=1", "https://api-za.myconnectwise.net"),
        ("staging.connectwisedev.com", "https://api-staging.connectwisedev.com"),
        ("sandbox-na.myconnectwise.net", "https://sandbox-na.myconnectwise.net"),
        ("Connect.Example-MSP.com:8443/login", "https://connect.example-msp.com:8443"),
        ("https://user:pw@connect.example-msp.com", "https://connect.example-msp.com"),
        ("http://127.0.0.1:9100/x", "http://127.0.0.1:9100"),
    ],
)
def test_whatever_was_pasted_leads_to_the_api_host(typed: str, root: str) -> None:
    assert api_address(typed).root == root


def test_two_spellings_of_one_account_have_one_key() -> None:
    other = {
        **CREDENTIALS,
        "server_url": "https://API-NA.myconnectwise.net/x",
        "company_id": "AcmeMSP ",
    }

    assert ConnectWiseAdapter.account_key(CREDENTIALS) == ConnectWiseAdapter.account_key(other)
    assert SECRET not in ConnectWiseAdapter.account_key(CREDENTIALS)


def test_headers_are_what_connectwise_asks_for(wire: responses.RequestsMock) -> None:
    wire.get(f"{BASE}/company/companies", json=[])

    adapter().authenticate()

    headers = wire.calls[-1].request.headers
    assert headers["Authorization"] == "Basic YWNtZW1zcCtwdWI6Y2FuYXJ5LXByaXZhdGUta2V5"
    assert headers["clientId"] == "guid"
    assert headers["Accept"] == "application/vnd.connectwise.com+json; version=2025.1"


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, {"code": "ConnectWiseApi", "message": "UserNotAuthenticated"}, "invalid_credentials"),
        (401, {"code": "Unauthorized", "message": "no"}, "invalid_credentials"),
        (401, "", "invalid_credentials"),
        (404, "", "invalid_credentials"),
        (400, "Cannot route. Codebase/company is invalid", "invalid_credentials"),
        (403, {"code": "X", "message": "clientId is missing"}, "client_id_refused"),
        (400, "The ClientID you sent is unknown", "client_id_refused"),
        (401, {"message": "invalid clientid"}, "client_id_refused"),
        (
            400,
            {"code": "Security", "message": "SSL is required.", "errors": None},
            "not_a_psa_server",
        ),
        (
            400,
            {"code": "ApiFindCondition", "message": "x is not a recognized name."},
            "bad_response",
        ),
        (
            500,
            {"code": "ConnectWiseApi", "message": "String was not recognized"},
            "psa_unavailable",
        ),
        (503, "<html>maintenance</html>", "psa_unavailable"),
        (200, "<!DOCTYPE html><html>sign in</html>", "bad_response"),
        (200, '[{"id": 1', "bad_response"),
    ],
)
def test_each_error_body_has_its_code_and_a_fix(
    wire: responses.RequestsMock, status: int, body: Any, code: str
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    wire.get(f"{BASE}/company/companies", body=text, status=status)

    with pytest.raises(PsaError) as caught:
        adapter().authenticate()

    assert caught.value.code == code
    assert caught.value.fix
    assert SECRET not in f"{caught.value!r} {caught.value.message} {caught.value.fix}"


def test_a_missing_right_proves_the_keys_and_names_its_menu_path(
    wire: responses.RequestsMock,
) -> None:
    body = {"code": "Security", "message": "You do not have security permission"}
    wire.get(f"{BASE}/company/companies", json=body, status=403)
    psa = adapter()

    psa.authenticate()
    with pytest.raises(PsaRefused) as caught:
        psa.probe("read_companies")

    assert caught.value.code == "permission_denied"
    assert "Companies > Company Maintenance: Inquire All" in caught.value.fix


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"body": "null"}, "invalid_credentials"),
        ({"body": "<html>hello</html>", "content_type": "text/html"}, "not_a_psa_server"),
        ({"body": "hello"}, "not_a_psa_server"),
        ({"json": {"unexpected": 1}}, "not_a_psa_server"),
        ({"json": {"Codebase": "../../evil?"}}, "not_a_psa_server"),
        ({"body": "", "status": 404}, "not_a_psa_server"),
        ({"body": "", "status": 302}, "not_a_psa_server"),
        ({"body": "", "status": 500}, "psa_unavailable"),
    ],
)
def test_the_codebase_look_up_tells_a_wrong_company_from_a_wrong_host(
    answer: dict[str, Any], code: str
) -> None:
    with responses.RequestsMock() as mock:
        mock.get(INFO, **answer)
        with pytest.raises(PsaError) as caught:
            adapter().reach()

    assert caught.value.code == code


def test_a_new_release_is_found_out_once_and_remembered(wire: responses.RequestsMock) -> None:
    old = BASE.replace("v2025_1", "v2024_9")
    memory = {"base": old}
    wire.get(
        f"{old}/company/companies", body="Cannot route. Codebase/company is invalid", status=400
    )
    wire.get(f"{BASE}/company/companies", json=[])

    adapter(memory).authenticate()

    assert memory == {"base": BASE}


def companies(wire: responses.RequestsMock, *rows: Any, **headers: str) -> Any:
    wire.get(f"{BASE}/company/companies/count", json={"count": len(rows)})
    wire.get(f"{BASE}/company/companies", body=json.dumps(rows), headers=headers)
    (page,) = adapter().companies()
    return page


def test_keys_never_go_to_the_server_of_an_older_address(wire: responses.RequestsMock) -> None:
    memory = {"base": "https://api-na.myconnectwise.net.example/v2025_1/apis/3.0"}
    wire.get(f"{BASE}/company/companies", json=[])

    adapter(memory).authenticate()

    assert memory == {"base": BASE}
    assert [call.request.url.partition("?")[0] for call in wire.calls] == [
        INFO,
        f"{BASE}/company/companies",
    ]


def test_missing_null_and_empty_are_alike(wire: responses.RequestsMock) -> None:
    page = companies(
        wire,
        {"id": 1},
        {"id": 2, "name": "", "status": None, "types": None, "deletedFlag": None},
        {"id": 3, "name": " B\u200e ", "status": {"id": 1, "name": " ACTIVE "}, "types": []},
        {
            "id": 4,
            "name": "D",
            "status": {"id": 2, "name": "Inactive"},
            "dateDeleted": "2020-01-01",
        },
    )

    assert [(c.external_id, c.name, c.is_active, c.is_deleted) for c in page.records] == [
        ("1", "Company 1", False, False),
        ("2", "Company 2", False, False),
        ("3", "B", True, False),
        ("4", "D", False, False),
    ]


def test_one_bad_record_is_set_aside_and_the_page_goes_on(wire: responses.RequestsMock) -> None:
    page = companies(
        wire,
        {"id": 1, "name": "A"},
        {"id": 2, "name": {"secret": "value-of-the-field"}},
        {"name": "no id"},
        {"id": 3, "name": "x" * 256},
        {"id": 4, "name": "D"},
    )

    assert [company.external_id for company in page.records] == ["1", "4"]
    assert [(r.external_id, r.code) for r in page.rejected] == [
        ("2", "invalid_record"),
        ("", "missing_id"),
        ("3", "too_long"),
    ]
    assert "name" in page.rejected[0].message
    assert "value-of-the-field" not in page.rejected[0].message


def test_the_status_is_looked_up_when_only_its_id_comes(wire: responses.RequestsMock) -> None:
    wire.get(f"{BASE}/company/companies/statuses", json=[{"id": 1, "name": "Active"}])

    page = companies(wire, {"id": 1, "name": "A", "status": {"id": 1}})

    assert page.records[0].is_active


def test_a_server_that_knows_only_numbered_pages_is_read_to_the_end(
    wire: responses.RequestsMock,
) -> None:
    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        number = int(request.params.get("page", 1))
        address = "https://evil.example/steal"
        links = {1: f'<{address}?page=2>; rel="next"', 2: f'<{address}?page=3>; rel="next"'}
        rows = {1: [{"id": 1}, {"id": 2}], 2: [{"id": 2}, {"id": 3}], 3: []}
        return 200, {"Link": links[number]} if number in links else {}, json.dumps(rows[number])

    wire.get(f"{BASE}/company/companies/count", json={"count": 3})
    wire.add_callback("GET", f"{BASE}/company/companies", callback=answer)

    ids = [c.external_id for page in adapter().companies() for c in page.records]

    assert ids == ["1", "2", "3"]
    assert {call.request.url.split("/")[2] for call in wire.calls} == {"api-na.myconnectwise.net"}


def contact(wire: responses.RequestsMock, **fields: Any) -> Any:
    wire.get(f"{BASE}/company/contacts/count", json={"count": 1})
    wire.get(f"{BASE}/company/contacts", json=[{"id": 9, **fields}])
    (page,) = adapter().contacts()
    return page.records[0]


def item(value: str, kind: str | None, default: bool = False, type_name: str = "x") -> Any:
    found = {"type": {"id": 5, "name": type_name}, "value": value, "defaultFlag": default}
    return found if kind is None else {**found, "communicationType": kind}


def test_the_email_is_the_default_one_of_its_kind(wire: responses.RequestsMock) -> None:
    found = contact(
        wire,
        company={"id": 7},
        communicationItems=[
            item("555", "Phone", default=True),
            item("fax@fax.example", "Fax"),
            item("first@x.example", "Email"),
            item(" \u200bdefault@x.example ", "Email", default=True),
        ],
    )

    assert (found.email, found.phone, found.company_id) == ("default@x.example", "555", "7")


def test_an_at_sign_does_not_make_an_email(wire: responses.RequestsMock) -> None:
    wire.get(f"{BASE}/company/communicationTypes", json={"code": "Security"}, status=403)

    found = contact(wire, communicationItems=[item("a@x.example", None, type_name="Skype")])

    assert found.email == ""


def test_a_missing_kind_is_told_by_the_type(wire: responses.RequestsMock) -> None:
    wire.get(f"{BASE}/company/communicationTypes", json=[{"id": 5, "emailFlag": True}])

    found = contact(wire, communicationItems=[item("a@x.example", None, type_name="Posta")])

    assert found.email == "a@x.example"


def agreements(wire: responses.RequestsMock, *rows: Any, cycles: Any = "table") -> Any:
    table = [
        {"id": 2, "name": "Monthly", "billingOptions": "Monthly"},
        {"id": 9, "name": "Every 2 months", "billingOptions": "BiMonthly"},
        {"id": 10, "name": "None", "billingOptions": "NotRecurring"},
    ]
    if cycles == "table":
        wire.get(f"{BASE}/finance/billingCycles", json=table)
    else:
        wire.get(f"{BASE}/finance/billingCycles", json={"code": "Security"}, status=403)
    wire.get(f"{BASE}/finance/agreements", json=[{"company": {"id": 7}, **row} for row in rows])
    (page,) = adapter().agreements(company_ids=["7"])
    return page


MONTHLY = {"id": 2, "name": "Monthly"}


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
            "Annual - paid monthly",
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
        ("Monthly in advance", "Monthly in advance"),
    ],
)
def test_without_the_table_only_exact_names_are_understood(
    wire: responses.RequestsMock, name: str, cycle: str
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


def test_an_id_that_is_no_number_never_reaches_a_condition(wire: responses.RequestsMock) -> None:
    psa = adapter()

    assert psa.company("1) or (1=1") is None
    assert list(psa.contacts(company_ids=["1) or id>0"])) == []
    assert list(psa.agreements(company_ids=["x"])) == []
    assert len(wire.calls) == 0


def test_one_company_that_is_not_there_is_none(wire: responses.RequestsMock) -> None:
    wire.get(f"{BASE}/company/companies/5", json={"code": "NotFound", "message": "x"}, status=404)
    wire.get(f"{BASE}/company/companies", json=[])

    assert adapter().company("5") is None


def test_a_404_is_believed_only_while_the_keys_work(wire: responses.RequestsMock) -> None:
    """The cloud may answer refused keys so."""
    for path in ("/company/companies", "/company/companies/5", "/finance/agreements/1/additions"):
        wire.get(f"{BASE}{path}", body="", status=404)

    with pytest.raises(PsaRefused) as caught:
        adapter().company("5")
    assert caught.value.code == "invalid_credentials"

    with pytest.raises(PsaRefused) as caught:
        agreements(wire, {"id": 1, "billingCycle": MONTHLY})
    assert caught.value.code == "invalid_credentials"


def test_additions_of_an_agreement_that_is_just_deleted_are_unknown(
    wire: responses.RequestsMock,
) -> None:
    wire.get(f"{BASE}/finance/agreements/1/additions", body="", status=404)
    wire.get(f"{BASE}/company/companies", json=[{"id": 7}])

    (found,) = agreements(wire, {"id": 1, "billingCycle": MONTHLY}).records

    assert (found.incomplete, found.lines) == (True, ())


def test_a_404_under_the_path_of_an_old_release_is_asked_again(
    wire: responses.RequestsMock,
) -> None:
    old = BASE.replace("v2025_1", "v2024_9")
    for path in ("/company/companies", "/company/companies/5"):
        wire.get(f"{old}{path}", body="", status=404)
    wire.get(f"{BASE}/company/companies", json=[])
    wire.get(f"{BASE}/company/companies/5", json={"id": 5, "name": "A"})

    found = adapter({"base": old}).company("5")

    assert found is not None
    assert found.external_id == "5"


@pytest.mark.parametrize("error", [PsaBadResponse, PsaUnavailable])
def test_urls_stay_under_what_connectwise_bears(
    wire: responses.RequestsMock, error: type[PsaError]
) -> None:
    wire.get(f"{BASE}/company/contacts", json=[])
    ids = [str(10_000_000 + n) for n in range(450)]

    list(adapter().contacts(company_ids=ids))

    assert max(len(call.request.url) for call in wire.calls) < 2000
    assert sum("conditions" in call.request.url for call in wire.calls) == 5
