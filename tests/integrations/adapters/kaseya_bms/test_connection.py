from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses

from integrations.adapters.kaseya_bms.api import api_address
from integrations.psa.errors import PsaError, PsaRefused
from tests.integrations.adapters.kaseya_bms.answers import (
    ACCOUNTS,
    CONTACTS,
    LOGIN,
    REFRESH,
    SECRET,
    SECURITY_ERROR,
    adapter,
    asked,
    bad,
    good,
    tokens,
)


@pytest.mark.parametrize(
    ("typed", "root"),
    [
        ("https://bms.kaseya.com", "https://api.bms.kaseya.com"),
        ("bms.kaseya.com:443", "https://api.bms.kaseya.com"),
        ("https://bms.kaseya.com.", "https://api.bms.kaseya.com"),
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
        (400, bad("This user has no API access"), "permission_denied"),
        (403, bad("API access is disabled for this user."), "permission_denied"),
        (403, bad("You are not authorized to use the API."), "permission_denied"),
        (403, bad("Access denied"), "permission_denied"),
        (403, bad("No."), "permission_denied"),
        (403, bad("Your account is locked."), "account_locked"),
        (200, "<html>Sign in</html>", "psa_unavailable"),
        (403, "<html>Forbidden</html>", "psa_unavailable"),
        (401, "<!DOCTYPE html><p>Sign in to the proxy", "psa_unavailable"),
        (406, "<html>Not Acceptable</html>", "psa_unavailable"),
        (403, {"fault": {"faultstring": "IP not allowed"}}, "psa_unavailable"),
        (403, "error code: 1020", "psa_unavailable"),
        (200, "hello", "psa_unavailable"),
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
        sign_ins = [call for call in mock.calls if call.request.url == LOGIN]
        assert len(sign_ins) == 1

    assert caught.value.code == code
    assert caught.value.fix
    assert ("Has API Access" in caught.value.fix) is (code == "permission_denied")
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


@pytest.mark.parametrize(
    ("life", "after", "renewed"), [(600, 530, 0), (600, 545, 1), (50, 20, 0), (50, 30, 1)]
)
def test_a_token_is_renewed_a_minute_before_it_ends(
    wire: Any, time_machine: Any, life: int, after: int, renewed: int
) -> None:
    """Or in the middle of a life of less than two minutes."""
    start = datetime(2026, 6, 1, 12, tzinfo=UTC)
    time_machine.move_to(start, tick=False)
    wire.replace("POST", LOGIN, json=tokens(seconds=life))
    wire.post(REFRESH, json=tokens(2))
    wire.get(ACCOUNTS, json=good([], totalRecords=0))
    psa = adapter()

    list(psa.companies())
    time_machine.move_to(start + timedelta(seconds=after), tick=False)
    list(psa.companies())

    assert (asked(wire, LOGIN), asked(wire, REFRESH)) == (1, renewed)


@pytest.mark.parametrize("hours", [-5, 0])
def test_a_token_just_given_is_used_until_it_is_refused_whatever_its_stamp(
    wire: Any, hours: int
) -> None:
    """BMS's clock may be five hours slow."""
    for url in (LOGIN, REFRESH):
        wire.upsert("POST", url, json=tokens(seconds=hours * 3600))
    wire.get(ACCOUNTS, json=good([], totalRecords=0))
    psa = adapter()

    for _ in range(5):
        list(psa.companies())

    assert (asked(wire, LOGIN), asked(wire, REFRESH), asked(wire, ACCOUNTS)) == (1, 0, 5)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (403, bad("x"), "permission_denied"),
        (403, "", "permission_denied"),
        (403, "<html>Forbidden</html>", "psa_unavailable"),
        (404, "<html>Not found</html>", "psa_unavailable"),
        (401, "<html>Sign in to the proxy</html>", "psa_unavailable"),
        (403, {"message": "IP not allowed"}, "psa_unavailable"),
        (200, "<html>Sign in</html>", "psa_unavailable"),
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
