"""What ConnectWise is asked once more: in another form, at another host, or after a moment."""

from __future__ import annotations

from typing import Any

import pytest
import responses
from responses import matchers

from integrations.adapters.connectwise.adapter import ConnectWiseAdapter
from integrations.psa.errors import PsaRefused, PsaUnavailable
from integrations.psa.http import PsaHttp
from tests.integrations.adapters.connectwise.answers import BASE, CREDENTIALS, INFO, adapter

COMPANIES = f"{BASE}/company/companies"
VERSION = {"Accept": "application/vnd.connectwise.com+json; version=2025.1"}
PLAIN = {"Accept": "application/json"}
UNAUTHORIZED = {"code": "ConnectWiseApi", "message": "UserNotAuthenticated"}
SSL = {"code": "Security", "message": "SSL is required.", "errors": None}
TYPED = "https://cw.acme.example"
OWN_INFO = f"{TYPED}/login/companyinfo/acmemsp"
OWN_BASE = f"{TYPED}/v2025_1/apis/3.0"


def asked(wire: responses.RequestsMock, url: str) -> int:
    return sum(call.request.url.partition("?")[0] == url for call in wire.calls)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, ""),
        (400, "Bad Request"),
        (400, '{"code": "InvalidVersion", "message": "Version 2025.1 is not supported."}'),
        (406, ""),
        (415, "<html>Unsupported Media Type</html>"),
    ],
)
def test_a_release_that_refuses_our_version_is_asked_without_it_and_remembered(
    wire: responses.RequestsMock, status: int, body: str
) -> None:
    memory: dict[str, str] = {}
    wire.get(COMPANIES, body=body, status=status, match=[matchers.header_matcher(VERSION)])
    wire.get(COMPANIES, json=[], match=[matchers.header_matcher(PLAIN)])

    adapter(memory).authenticate()
    adapter(memory).authenticate()

    assert memory == {"base": BASE, "accept": "application/json"}
    assert asked(wire, COMPANIES) == 3


def test_a_question_that_is_refused_in_either_form_is_not_remembered(
    wire: responses.RequestsMock,
) -> None:
    memory: dict[str, str] = {}
    wire.get(COMPANIES, status=400, json={"code": "ApiFindCondition", "message": "no"})

    with pytest.raises(Exception, match="refused a question of ours"):
        adapter(memory).authenticate()

    assert memory == {"base": BASE}
    assert asked(wire, COMPANIES) == 2


def test_one_refusal_of_keys_among_good_answers_is_asked_once_more(
    wire: responses.RequestsMock,
) -> None:
    wire.get(COMPANIES, status=401, json=UNAUTHORIZED)
    wire.get(COMPANIES, json=[])

    adapter().authenticate()

    assert asked(wire, COMPANIES) == 2


def test_keys_that_are_refused_twice_are_refused(wire: responses.RequestsMock) -> None:
    wire.get(COMPANIES, status=401, json=UNAUTHORIZED)

    with pytest.raises(PsaRefused) as caught:
        adapter().authenticate()

    assert caught.value.code == "invalid_credentials"
    assert asked(wire, COMPANIES) == 2


def test_a_web_page_in_place_of_a_record_is_no_sign_that_it_is_gone(
    wire: responses.RequestsMock,
) -> None:
    wire.get(f"{COMPANIES}/5", status=404, body="<html>Not found</html>")
    wire.get(COMPANIES, json=[])

    with pytest.raises(PsaUnavailable) as caught:
        adapter().company("5")

    assert caught.value.code == "psa_unavailable"


@pytest.mark.parametrize(
    ("ours", "words"),
    [
        ((), "allow the addresses from which audIT asks."),
        (("203.0.113.7", "203.0.113.8"), "allow our addresses 203.0.113.7 and 203.0.113.8."),
    ],
)
def test_what_blocks_us_is_named_with_the_addresses_to_allow(
    wire: responses.RequestsMock, ours: tuple[str, ...], words: str
) -> None:
    wire.get(COMPANIES, status=403, body="<html>Forbidden</html>")
    http = PsaHttp(allow_private_hosts=True, our_addresses=ours)
    psa = ConnectWiseAdapter(CREDENTIALS, {"CONNECTWISE_CLIENT_ID": "guid"}, http, {})

    with pytest.raises(PsaUnavailable) as caught:
        psa.authenticate()

    assert caught.value.message == (
        "api-na.myconnectwise.net answered with a web page instead of data (status 403)."
    )
    assert caught.value.fix.endswith(words)
    assert "If api-na.myconnectwise.net works in your browser" in caught.value.fix


def vanity(memory: dict[str, str]) -> ConnectWiseAdapter:
    given = {**CREDENTIALS, "server_url": TYPED}
    http = PsaHttp(allow_private_hosts=True)
    return ConnectWiseAdapter(given, {"CONNECTWISE_CLIENT_ID": "guid"}, http, memory)


def company_info(site: str) -> dict[str, Any]:
    return {"Codebase": "v2025_1/", "IsCloud": True, "SiteUrl": site}


@pytest.mark.parametrize(
    "site",
    ["api-na.myconnectwise.net", "https://api-na.myconnectwise.net/", "na.myconnectwise.net"],
)
def test_an_address_that_leads_to_the_cloud_is_asked_where_connectwise_says_it_is(
    wire: responses.RequestsMock, site: str
) -> None:
    memory: dict[str, str] = {}
    wire.get(OWN_INFO, json=company_info(site))
    wire.get(f"{OWN_BASE}/company/companies", status=403, json=SSL)
    wire.get(COMPANIES, json=[])

    psa = vanity(memory)
    psa.reach()
    psa.authenticate()
    again = vanity(memory)
    again.reach()
    again.authenticate()

    assert memory == {"base": BASE, "moved_from": TYPED}
    assert asked(wire, f"{OWN_BASE}/company/companies") == 1
    assert asked(wire, COMPANIES) == 2
    assert asked(wire, INFO) == 0


@pytest.mark.parametrize("site", ["evil.example", "myconnectwise.net.evil.example", ""])
def test_keys_go_to_no_other_host_that_an_address_names(
    wire: responses.RequestsMock, site: str
) -> None:
    memory: dict[str, str] = {}
    wire.get(OWN_INFO, json=company_info(site))
    wire.get(f"{OWN_BASE}/company/companies", status=403, json=SSL)

    with pytest.raises(PsaRefused) as caught:
        vanity(memory).authenticate()

    assert caught.value.code == "not_a_psa_server"
    assert (f"ConnectWise names {site} instead" in caught.value.fix) is bool(site)
    assert {call.request.url.split("/")[2] for call in wire.calls} == {"cw.acme.example"}


def test_invisible_characters_around_keys_count_for_nothing(wire: responses.RequestsMock) -> None:
    wire.get(COMPANIES, json=[])
    pasted = {name: f"\ufeff{value}\u200b " for name, value in CREDENTIALS.items()}
    http = PsaHttp(allow_private_hosts=True)

    ConnectWiseAdapter(pasted, {"CONNECTWISE_CLIENT_ID": "guid"}, http, {}).authenticate()
    adapter().authenticate()

    first, second = (c.request.headers for c in wire.calls if c.request.url.startswith(COMPANIES))
    assert first["Authorization"] == second["Authorization"]
