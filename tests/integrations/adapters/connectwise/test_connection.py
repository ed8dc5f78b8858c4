from __future__ import annotations

import json
from typing import Any

import pytest
import responses

from integrations.adapters.connectwise.adapter import ConnectWiseAdapter
from integrations.adapters.connectwise.api import api_address
from integrations.psa.errors import PsaBadResponse, PsaError, PsaRefused, PsaUnavailable
from tests.integrations.adapters.connectwise.answers import (
    BASE,
    CREDENTIALS,
    INFO,
    MONTHLY,
    SECRET,
    adapter,
    agreements,
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


@pytest.mark.parametrize(
    "server",
    [
        "https://API-NA.myconnectwise.net/x",
        "na.myconnectwise.net:443",
        "na.myconnectwise.net.",
        "https://na.myconnectwise.net.:443/",
        "\ufeffna.myconnectwise.net",
    ],
)
def test_two_spellings_of_one_account_have_one_key(server: str) -> None:
    other = {**CREDENTIALS, "server_url": server, "company_id": "\u200bAcmeMSP "}

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
        (200, "<!DOCTYPE html><html>sign in</html>", "psa_unavailable"),
        (403, "<html>Forbidden</html>", "psa_unavailable"),
        (401, "<html>Security: clientId</html>", "psa_unavailable"),
        (404, "<html>Not found</html>", "psa_unavailable"),
        (406, "<html>Not Acceptable</html>", "psa_unavailable"),
        (403, "error code: 1020", "psa_unavailable"),
        (403, {"error": "Forbidden", "message": "IP not allowed"}, "psa_unavailable"),
        (401, {"fault": {"faultstring": "no"}}, "psa_unavailable"),
        (403, {"code": "Security", "message": "You do not have"}, ""),
        (200, '[{"id": 1', "bad_response"),
    ],
)
def test_each_error_body_has_its_code_and_a_fix(
    wire: responses.RequestsMock, status: int, body: Any, code: str
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    wire.get(f"{BASE}/company/companies", body=text, status=status)

    if not code:  # then the keys were accepted
        adapter().authenticate()
        return
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
        ({"body": "<html>Not found</html>", "status": 404}, "not_a_psa_server"),
        ({"body": "<html>Forbidden</html>", "status": 403}, "psa_unavailable"),
        ({"body": "<html>Not Acceptable</html>", "status": 406}, "psa_unavailable"),
        ({"body": "error code: 1020", "status": 403}, "psa_unavailable"),
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


def test_keys_never_go_to_the_server_of_an_older_address(wire: responses.RequestsMock) -> None:
    memory = {"base": "https://api-na.myconnectwise.net.example/v2025_1/apis/3.0"}
    wire.get(f"{BASE}/company/companies", json=[])

    adapter(memory).authenticate()

    assert memory == {"base": BASE}
    assert [call.request.url.partition("?")[0] for call in wire.calls] == [
        INFO,
        f"{BASE}/company/companies",
    ]


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
