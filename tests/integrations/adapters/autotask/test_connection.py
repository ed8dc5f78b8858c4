from __future__ import annotations

import json
from typing import Any

import pytest
import responses

from integrations.adapters.autotask.adapter import AutotaskAdapter
from integrations.psa.errors import PsaError, PsaRateLimited, PsaRefused
from tests.integrations.adapters.autotask.answers import (
    DISCOVERY,
    OTHER_ZONE,
    SECRET,
    ZONE,
    adapter,
    answer,
    zone_answer,
)


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
def test_a_tenant_that_moved_is_found_again_once(wire: Any, status: int) -> None:
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
        (200, "<html>hello</html>", "psa_unavailable", "in front of it"),
        (403, "<html>Forbidden</html>", "psa_unavailable", "in front of it"),
        (404, "<html>Not found</html>", "psa_unavailable", "in front of it"),
        (403, {"error": "denied"}, "psa_unavailable", "in front of it"),
        (200, {"hello": "world"}, "bad_response", "Report"),
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
        (403, {"Message": "Forbidden"}, "permission_denied"),
        (403, "<html>Forbidden: no permission</html>", "psa_unavailable"),
        (404, "<html>Not found</html>", "psa_unavailable"),
        (406, "<html>Not Acceptable</html>", "psa_unavailable"),
        (200, "<html>Sign in</html>", "psa_unavailable"),
        (403, "error code: 1020", "psa_unavailable"),
        (403, {"fault": "IP not allowed"}, "psa_unavailable"),
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


@pytest.mark.parametrize(
    ("field", "header", "label"),
    [
        ("secret", "Secret", "Password (Secret)"),
        ("username", "UserName", "Username (Key)"),
        ("tracking_identifier", "ApiIntegrationCode", "Tracking identifier"),
    ],
)
@pytest.mark.parametrize("odd", ["…", "\u2013", "\u0430", "\n", "é", "\ud83d", "\x07"])
def test_a_character_that_no_key_has_is_said_of_its_field(
    wire: Any, field: str, header: str, label: str, odd: str
) -> None:
    answer(wire, "Companies")
    psa = adapter(**{field: f"abc{odd}def"})

    step = psa.reach if field == "username" else psa.authenticate
    with pytest.raises(PsaRefused) as caught:
        step()

    assert caught.value.code == "invalid_credentials"
    assert caught.value.message == f"The {label} holds a character that no key has."
    assert label in caught.value.fix
    assert not [call for call in wire.calls if header in call.request.headers]


@pytest.mark.parametrize("odd", ["\ufeff", "\u200b", " ", "\n", "\u2028"])
def test_what_is_pasted_around_a_key_is_forgiven(wire: Any, odd: str) -> None:
    answer(wire, "Companies")

    adapter(secret=f"{odd}{SECRET}{odd}").authenticate()

    assert wire.calls[-1].request.headers["Secret"] == SECRET


def test_a_new_user_may_need_some_minutes(wire: Any) -> None:
    wire.post(f"{ZONE}/Companies/query", status=401, body="")

    with pytest.raises(PsaRefused) as caught:
        adapter().authenticate()

    assert "made a moment ago may be refused for up to five minutes" in caught.value.fix
    assert AutotaskAdapter.info.new_user_minutes == 5
    assert AutotaskAdapter.info.locks_users


def test_refused_keys_in_a_web_page_are_never_asked_again(wire: Any) -> None:
    """A proxy may have written it; but if it was Autotask, asking again locks the user."""
    wire.post(f"{ZONE}/Companies/query", status=401, body="<html>401</html>")

    with pytest.raises(PsaRefused) as caught:
        adapter().authenticate()

    assert caught.value.code == "invalid_credentials"
    assert "something in front of it blocks us" in caught.value.fix
    assert wire.assert_call_count(f"{ZONE}/Companies/query", 1)
