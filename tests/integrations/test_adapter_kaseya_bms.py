from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import responses

from integrations.adapters.kaseya_bms.adapter import KaseyaBmsAdapter
from integrations.adapters.kaseya_bms.api import api_address
from integrations.psa.contract import PsaAgreement
from integrations.psa.errors import PsaError, PsaRefused
from integrations.psa.http import PsaHttp

API = "https://api.bms.kaseya.com"
LOGIN = f"{API}/v2/security/authenticate"
REFRESH = f"{API}/v2/security/refreshtoken"
ACCOUNTS = f"{API}/v2/crm/accounts/summary"
CONTACTS = f"{API}/v2/crm/contacts/summary"
CONTRACTS = f"{API}/v2/finance/contracts/summary"
LOOKUP = f"{API}/v2/finance/contracts/lookup"
SECRET = "canary-password"
CREDENTIALS = {
    "server_url": "https://bms.kaseya.com",
    "username": "api",
    "tenant": "Acme IT",
    "password": SECRET,
}
SECURITY_ERROR = {"success": False, "error": {"code": 978001, "message": "Security Error"}}


def good(result: Any, **more: Any) -> dict[str, Any]:
    return {"success": True, "error": None, "result": result, **more}


def bad(message: str, code: int = 0) -> dict[str, Any]:
    error = {"code": code, "message": message, "details": None, "stackStrace": f"at {SECRET}"}
    return {"success": False, "error": error, "result": None}


def tokens(number: int = 1, seconds: int = 3600) -> dict[str, Any]:
    until = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    found = {"accessToken": f"access{number}", "refreshToken": f"refresh{number}"}
    return good({**found, "accessTokenExpireOn": until})


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.post(LOGIN, json=tokens())
        user = {"currencyCode": "USD", "olsonTimeZoneName": "America/New_York"}
        mock.get(f"{API}/v2/security/userinfo", json=good(user))
        yield mock


def adapter() -> KaseyaBmsAdapter:
    http = PsaHttp(allow_private_hosts=True, attempts=2, first_pause=0)
    return KaseyaBmsAdapter(CREDENTIALS, {"KASEYA_BMS_API_URL": ""}, http, {})


def asked(wire: Any, url: str) -> int:
    return sum(1 for call in wire.calls if call.request.url.partition("?")[0] == url)


# Addresses


@pytest.mark.parametrize(
    ("typed", "root"),
    [
        ("https://bms.kaseya.com", "https://api.bms.kaseya.com"),
        ("bms.kaseya.com/react/home", "https://api.bms.kaseya.com"),
        (" https://BMS.kaseya.com/ ", "https://api.bms.kaseya.com"),
        ("https://api.bms.kaseya.com/v2", "https://api.bms.kaseya.com"),
        ("bmsemea.kaseya.com", "https://api.bmsemea.kaseya.com"),
        ("https://bmsapac.kaseya.com", "https://api.bmsapac.kaseya.com"),
        ("https://www.vorexlogin.com", "https://api.vorexlogin.com"),
        ("psa.pulseway.com?x=1#y", "https://api.psa.pulseway.com"),
        ("https://user:pw@bms.kaseya.com", "https://api.bms.kaseya.com"),
    ],
)
def test_whatever_was_pasted_leads_to_the_api_host(typed: str, root: str) -> None:
    assert api_address(typed).root == root


# Signing in


def test_sign_in_is_a_form_and_its_token_a_bearer(wire: Any) -> None:
    wire.get(ACCOUNTS, json=good([], totalRecords=0))

    list(adapter().companies())

    login, last = wire.calls[0].request, wire.calls[-1].request
    assert login.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert login.body == "GrantType=password&UserName=api&Password=canary-password&Tenant=Acme+IT"
    assert last.headers["Authorization"] == "Bearer access1"


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, bad("Invalid username or password."), "invalid_credentials"),
        (401, bad("Invalid username or password."), "invalid_credentials"),
        (200, bad("Invalid username or password."), "invalid_credentials"),
        (400, bad("Tenant can't be empty"), "invalid_credentials"),
        (404, bad("Tenant not found."), "not_a_psa_server"),
        (401, bad("MFA code is required."), "mfa_required"),
        (200, bad("Two-factor authentication needed"), "mfa_required"),
        (400, bad("Your account is locked."), "account_locked"),
        (400, bad("User is disabled"), "account_locked"),
        (401, "", "invalid_credentials"),
        (200, "<html>Sign in</html>", "not_a_psa_server"),
        (200, "hello", "not_a_psa_server"),
        (500, bad("Oops"), "psa_unavailable"),
        (503, "<html>maintenance</html>", "psa_unavailable"),
        (429, "quota", "rate_limited"),
    ],
)
def test_a_refused_sign_in_is_sorted_by_its_words_and_never_tried_again(
    status: int, body: Any, code: str
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    with responses.RequestsMock() as mock:
        mock.post(LOGIN, status=status, body=text)
        psa = adapter()
        with pytest.raises(PsaError) as caught:
            psa.authenticate()
        if isinstance(caught.value, PsaRefused):
            with pytest.raises(PsaRefused):  # nor by another question of the same piece of work
                psa.company("1")
        assert len(mock.calls) == 1

    assert caught.value.code == code
    assert caught.value.fix
    assert SECRET not in f"{caught.value!r} {caught.value.message} {caught.value.fix}"


def test_a_token_that_dies_is_refreshed_and_the_same_page_asked_again(wire: Any) -> None:
    wire.get(ACCOUNTS, status=401, json=SECURITY_ERROR)
    wire.get(ACCOUNTS, json=good([{"id": 1, "accountName": "A"}], totalRecords=1))
    wire.post(REFRESH, json=tokens(2))

    found = [c.external_id for page in adapter().companies() for c in page.records]

    assert found == ["1"]
    assert (asked(wire, LOGIN), asked(wire, REFRESH)) == (1, 1)
    assert wire.calls[-1].request.headers["Authorization"] == "Bearer access2"
    refresh = next(call.request for call in wire.calls if call.request.url == REFRESH)
    assert refresh.body == "AccessToken=access1&RefreshToken=refresh1"


@pytest.mark.parametrize("status", [200, 400, 401])
def test_a_refused_refresh_is_one_new_sign_in(wire: Any, status: int) -> None:
    wire.get(ACCOUNTS, status=200, json=SECURITY_ERROR)  # the error may come inside a 200
    wire.get(ACCOUNTS, json=good([], totalRecords=0))
    wire.post(REFRESH, status=status, json=bad("no"))

    list(adapter().companies())

    assert asked(wire, LOGIN) == 2


def test_a_token_that_is_never_accepted_gives_up(wire: Any) -> None:
    wire.get(ACCOUNTS, status=401, json=SECURITY_ERROR)
    wire.post(REFRESH, json=tokens(2))

    with pytest.raises(PsaRefused) as caught:
        list(adapter().companies())

    assert caught.value.code == "invalid_credentials"
    assert "Has API Access" in caught.value.fix
    assert asked(wire, ACCOUNTS) == 2


def test_a_token_is_renewed_a_minute_before_it_ends(wire: Any) -> None:
    wire.replace("POST", LOGIN, json=tokens(seconds=50))
    wire.post(REFRESH, json=tokens(2))
    wire.get(ACCOUNTS, json=good([], totalRecords=0))
    psa = adapter()

    list(psa.companies())
    list(psa.companies())

    assert (asked(wire, LOGIN), asked(wire, REFRESH)) == (1, 1)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (403, bad("x"), "permission_denied"),
        (403, "", "permission_denied"),
        (200, bad("You do not have permission"), "permission_denied"),
        (200, bad("Access denied"), "permission_denied"),
        (200, bad("Something odd"), "bad_response"),
        (400, bad("Something odd"), "bad_response"),
        (404, "", "not_a_psa_server"),
        (200, {"result": []}, "bad_response"),
        (200, [], "bad_response"),
        (200, good({"a": 1}), "bad_response"),
        (500, "", "psa_unavailable"),
    ],
)
def test_a_list_succeeds_only_with_success_said(
    wire: Any, status: int, body: Any, code: str
) -> None:
    wire.get(CONTACTS, status=status, body=body if isinstance(body, str) else json.dumps(body))

    with pytest.raises(PsaError) as caught:
        list(adapter().contacts())

    assert caught.value.code == code
    assert "stack" not in caught.value.message


# Accounts and contacts


@pytest.mark.parametrize("spelled", ["camel", "pascal", "lower"])
def test_keys_are_read_in_any_case(wire: Any, spelled: str) -> None:
    def key(name: str) -> str:
        return {"camel": name, "pascal": name[0].upper() + name[1:], "lower": name.lower()}[spelled]

    row = {key("id"): 1, key("accountName"): "A", key("accountType"): "Prospect",
           key("isActive"): False}  # fmt: skip
    wire.get(ACCOUNTS, json={key("success"): True, key("result"): [row], key("totalRecords"): 1})

    (page,) = adapter().companies()

    (found,) = page.records
    assert (found.external_id, found.name, found.type, found.status, found.is_active) == (
        "1", "A", "Prospect", "Inactive", False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, ""),
        (204, ""),
        (200, "null"),
        (200, good(None)),
        (200, bad("The record was not found")),
    ],
)
def test_an_account_that_is_not_there_is_told_in_five_ways(
    wire: Any, status: int, body: Any
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    wire.get(f"{ACCOUNTS}/5", status=status, body=text)

    assert adapter().company("5") is None


@pytest.mark.parametrize("wrapped", [True, False])
def test_an_account_comes_bare_or_in_an_envelope(wire: Any, wrapped: bool) -> None:
    row = {"id": 5, "accountName": "A", "isActive": True}
    wire.get(f"{ACCOUNTS}/5", json=good(row) if wrapped else row)

    found = adapter().company("5")

    assert found is not None
    assert (found.external_id, found.name) == ("5", "A")


def test_addresses_take_the_default_that_is_not_blank_else_the_lowest_id(wire: Any) -> None:
    def email(id_: int, value: Any, default: bool = False) -> Any:
        return {"id": id_, "emailAddress": value, "isDefault": default}

    emails: list[Any] = [
        [email(3, "b@x.example"), email(2, " a@x.example ")],
        [email(1, "a@x.example"), email(2, "b@x.example", True)],
        [email(1, " ", True), email(2, "b@x.example")],
        [email(1, "not an address", True)],
        [],
        None,
    ]
    rows = [{"id": n, "accountId": 7, "isPoc": n == 2, "isActive": True, "emails": one,
             "phones": None} for n, one in enumerate(emails, start=1)]  # fmt: skip
    wire.get(CONTACTS, json=good(rows, totalRecords=6))

    (page,) = adapter().contacts()

    assert [person.email for person in page.records] == [
        "a@x.example", "b@x.example", "b@x.example", "", "", "",
    ]  # fmt: skip
    assert [person.is_default for person in page.records] == [n == 2 for n in range(1, 7)]


def test_what_was_never_modified_has_the_stamp_of_its_creation(wire: Any) -> None:
    """Year 1 is how .NET writes "never"."""
    stamps = {"modifiedOn": "0001-01-01T00:00:00", "createdOn": "2021-03-02T15:20:11"}
    wire.get(ACCOUNTS, json=good([{"id": 7, "accountName": "A", **stamps}], totalRecords=1))
    wire.get(CONTACTS, json=good([{"id": 70, "accountId": 7, **stamps}], totalRecords=1))

    (accounts,) = adapter().companies()
    (people,) = adapter().contacts()

    created = datetime(2021, 3, 2, 15, 20, 11, tzinfo=UTC)
    assert [record.changed_at for record in (*accounts.records, *people.records)] == [created] * 2


def test_a_filter_that_the_server_ignores_is_applied_again(wire: Any) -> None:
    rows = [{"id": 1, "accountId": 7}, {"id": 2, "accountId": 8}]
    wire.get(CONTACTS, json=good(rows, totalRecords=2))

    found = [c.external_id for page in adapter().contacts(company_ids=["7"]) for c in page.records]

    assert found == ["1"]


# Paging


def paged(wire: Any, *pages: tuple[list[int], int | None]) -> None:
    """Answer page after page in the order in which they are asked, whatever their number."""
    for ids, total in pages:
        more = {} if total is None else {"totalRecords": total}
        wire.get(ACCOUNTS, json=good([{"id": id_} for id_ in ids], **more))


def read_ids() -> tuple[list[str], bool]:
    pages = list(adapter().companies())
    proves = not any(record.external_id == "" for page in pages for record in page.rejected)
    return [record.external_id for page in pages for record in page.records], proves


def test_pages_end_with_the_total_and_a_short_page_ends_nothing(wire: Any) -> None:
    paged(wire, ([1, 2], 5), ([3], 5), ([4, 5], 5))

    assert read_ids() == (["1", "2", "3", "4", "5"], True)
    assert [call.request.params["PageNumber"] for call in wire.calls[1:]] == ["1", "2", "3"]
    assert wire.calls[1].request.params["PageSize"] == "100"


@pytest.mark.parametrize("last", [[], [3]])
def test_without_a_total_a_page_that_brings_nothing_new_ends_the_list(
    wire: Any, last: list[int]
) -> None:
    paged(wire, ([1, 2], None), ([3], None), (last, None), ([], None))

    ids, _ = read_ids()

    assert sorted(set(ids)) == ["1", "2", "3"]


def test_a_list_that_moved_is_read_again(wire: Any) -> None:
    """1 was deleted behind us: 3 slipped from page 2 to page 1, and only the total tells."""
    paged(wire, ([1, 2], 4), ([4], 3), ([], 3), ([2, 3], 3), ([4], 3))

    ids, proves = read_ids()

    assert set(ids) == {"1", "2", "3", "4"}
    assert proves


def test_a_list_that_never_holds_still_proves_no_absence(wire: Any) -> None:
    paged(wire, *[([1, 2], 9), ([3], 8), ([], 8)] * 3)

    ids, proves = read_ids()

    assert set(ids) == {"1", "2", "3"}
    assert not proves


# Contracts


def contract(id_: int = 50, **over: Any) -> dict[str, Any]:
    return {
        "id": id_, "contractName": "Managed IT", "accountName": "Twin",
        "contractType": "Recurring Services", "contractBillingPrice": 2450.0, "status": "Active",
        "billingCycle": "Monthly", "startDate": "2026-01-01T00:00:00",
        "endDate": "2026-12-31T00:00:00", **over,
    }  # fmt: skip


def read(wire: Any, *contracts: Any, account: Any = None) -> list[PsaAgreement]:
    wire.get(CONTRACTS, body=json.dumps(good(list(contracts), totalRecords=len(contracts))))
    wire.get(LOOKUP, json=good([{"id": one["id"]} for one in contracts]))
    wire.get(f"{ACCOUNTS}/7", json=account or {"id": 7, "currencyName": "USD"})
    return [record for page in adapter().agreements(company_ids=["7"]) for record in page.records]


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
