"""Requests that nobody means well with: each is a 4xx with a code, and nothing happens."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from audit_site.tenants.models import Tenant, User
from companies.models import Company
from tests.clients import V1, api_of, problem
from tests.factories import make_company

GOOD = {"name": "Acme", "primary_contact": {"phone": "1"}}


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def send(api: APIClient, body: str | bytes, kind: str = "application/json", **more: Any) -> Any:
    return api.post(f"{V1}/companies/", body, content_type=kind, **more)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"name": ' + nested(33) + "}", "parse_error"),
        ('{"name": ' + nested(100_000) + "}", "parse_error"),
        ('{"na\\u0000me": 1}', "parse_error"),
        ('{"\\ud800": 1}', "parse_error"),
        ('{"name": "\\udfff"}', "parse_error"),
        ('{"name": NaN}', "parse_error"),
        ('{"name": ' + "1" * 5000 + "}", "parse_error"),
        (b'{"name": "\xff"}', "parse_error"),
        ('{"name": "a\\u0000b", "primary_contact": {"phone": "1"}}', "null_characters_not_allowed"),
        ("null", "null"),
        ("5", "invalid"),
    ],
)
def test_a_body_that_can_not_be_used_is_400(api: APIClient, body: Any, code: str) -> None:
    assert problem(send(api, body)) == (400, code)
    assert not Company.objects.exists()


def test_a_body_over_the_cap_is_413(api: APIClient, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2000
    fits = json.dumps({**GOOD, "name": "x" * 200})

    assert send(api, fits).status_code == 201
    assert problem(send(api, json.dumps({**GOOD, "name": "x" * 2000}))) == (413, "body_too_large")
    assert Company.objects.count() == 1


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/json; charset=hex", "multipart/form-data"]
)
def test_what_is_no_json_in_utf8_is_415(api: APIClient, kind: str) -> None:
    assert problem(send(api, b"{}", kind)) == (415, "unsupported_media_type")


def test_fifty_thousand_unknown_fields_are_told_in_fifty(api: APIClient) -> None:
    answer = api.post(f"{V1}/companies/", {f"field{n}": n for n in range(50_000)})

    assert problem(answer) == (400, "unknown_field")
    assert len(answer.json()["errors"]) == 50
    assert answer.json()["detail"].endswith("and 49997 more.")
    assert len(answer.content) < 10_000


def test_what_was_sent_is_not_repeated_at_length(tenant: Tenant, api: APIClient) -> None:
    answer = api.post(f"{V1}/companies/", {**GOOD, "x" * 100_000: 1})
    choice = api.patch(
        f"{V1}/companies/{make_company(tenant).pk}/",
        {"status": "y" * 100_000},
    )

    assert problem(answer) == (400, "unknown_field")
    assert problem(choice) == (400, "invalid_choice")
    assert len(answer.content) + len(choice.content) < 5_000


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("page_size=0", "invalid_parameter"),
        ("page_size=many", "invalid_parameter"),
        ("page_size=" + "9" * 5000, "invalid_parameter"),
        ("cursor=nonsense", "invalid_parameter"),
        ("cursor=%00", "invalid_parameter"),
        ("search=a%00b", "invalid_parameter"),
        ("status=dead", "invalid_parameter"),
        ("linked=perhaps", "invalid_parameter"),
        ("search=a&search=b", "invalid_parameter"),
        ("ordering=size", "invalid_parameter"),
        ("format=xml", "unknown_parameter"),
        ("colour=red&status=dead", "unknown_parameter"),
    ],
)
def test_a_parameter_that_can_not_be_read_is_400(alex: User, query: str, code: str) -> None:
    answer = api_of(alex).get(f"{V1}/companies/?{query}")

    assert problem(answer) == (400, code)
    assert [error["field"] for error in answer.json()["errors"]] == [query.partition("=")[0]]


def test_an_empty_parameter_is_as_if_it_were_absent(api: APIClient) -> None:
    answer = api.get(f"{V1}/companies/?status=&page_size=&linked=&cursor=&search=")

    assert answer.status_code == 200
    assert problem(api.get(f"{V1}/mrr/series/?from=&to=2026-01")) == (400, "invalid_parameter")


def test_a_cursor_is_good_for_its_list_alone(api: APIClient) -> None:
    for name in ("A", "B"):
        api.post(f"{V1}/companies/", {**GOOD, "name": name})
    address = api.get(f"{V1}/companies/?page_size=1").json()["next"]
    cursor = address.partition("cursor=")[2].partition("&")[0]

    assert [row["name"] for row in api.get(address).json()["results"]] == ["B"]
    for path in ("/integrations/", "/sync-runs/", "/companies/?ordering=mrr"):
        mark = "&" if "?" in path else "?"
        answer = api.get(f"{V1}{path}{mark}cursor={cursor}")
        assert problem(answer) == (400, "invalid_parameter")


@pytest.mark.parametrize("key", ["", "k" * 256, "k" * 10_000])
def test_a_key_of_no_or_too_many_characters_is_400(api: APIClient, key: str) -> None:
    answer = api.post(f"{V1}/companies/", GOOD, HTTP_IDEMPOTENCY_KEY=key)

    assert problem(answer) == (400, "invalid_idempotency_key")
    assert not Company.objects.exists()


def test_long_keys_that_differ_at_their_end_are_two(api: APIClient) -> None:
    for end in "ab":
        answer = api.post(f"{V1}/companies/", GOOD, HTTP_IDEMPOTENCY_KEY="k" * 254 + end)
        assert answer.status_code == 201

    assert Company.objects.count() == 2


def test_a_nul_in_an_address_is_404(api: APIClient, integration: Any) -> None:
    address = f"{V1}/integrations/{integration.pk}/psa-companies/%00/diagnosis/"

    assert problem(api.get(address)) == (404, "not_found")
    assert problem(api.get(f"{V1}/companies/%00/")) == (404, "not_found")


def test_an_action_that_is_told_nothing_takes_no_body(api: APIClient) -> None:
    address = f"{V1}/companies/{uuid4()}/sync/"

    for body in ([], [1], "text", {"undo": 1}):
        assert problem(api.post(address, body))[0] == 400
    assert problem(api.post(address, {})) == (404, "not_found")
    assert problem(api.post(address)) == (404, "not_found")


def test_a_format_that_there_is_not_is_406(api: APIClient) -> None:
    assert problem(api.get(f"{V1}/me/", HTTP_ACCEPT="text/html")) == (406, "not_acceptable")
