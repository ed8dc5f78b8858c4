"""What holds for every endpoint there is, and for what is none."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from audit_site.api.views import Endpoint
from audit_site.tenants.models import User
from tests.audit_site.api.walk import CALLS, ROUTES, Route
from tests.clients import V1, api_of, problem

LISTED = [str(route) for route in ROUTES]


def test_the_walk_finds_the_endpoints() -> None:
    assert f"{V1}/companies/" in LISTED
    assert f"{V1}/errors/" in LISTED
    assert len(CALLS) >= 40


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_options_works_for_everybody_and_names_the_methods(client: Any, route: Route) -> None:
    answer = client.options(route.path)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    named = {*answer.json()["methods"]} - {"OPTIONS", "HEAD"}
    assert named == {method.upper() for method in route.methods}


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_other_methods_are_405_and_name_those_there_are(alex: User, route: Route) -> None:
    answer = api_of(alex).put(route.path, {})

    assert problem(answer) == (405, "method_not_allowed")
    assert {method.upper() for method in route.methods} <= {*answer["Allow"].split(", ")}


@pytest.mark.parametrize(("route", "method"), CALLS, ids=str)
def test_an_unknown_parameter_is_refused(alex: User, route: Route, method: str) -> None:
    answer = getattr(api_of(alex), method)(f"{route.path}?colour=red")

    assert problem(answer) == (400, "unknown_parameter")
    assert answer.json()["errors"][0]["field"] == "colour"


@pytest.mark.parametrize(("route", "method"), [c for c in CALLS if c[1] != "get"], ids=str)
def test_an_unknown_field_is_refused(alex: User, route: Route, method: str) -> None:
    answer = getattr(api_of(alex), method)(route.path, {"colour": "red"})

    known = {(400, "unknown_field")}
    if "0000" in route.path:  # there is no such object, and that may be said first
        known.add((404, "not_found"))
    assert problem(answer) in known


@pytest.mark.parametrize(("route", "method"), [c for c in CALLS if c[1] == "post"], ids=str)
def test_every_post_honours_idempotency_keys(route: Route, method: str) -> None:
    assert getattr(route.handler(method), "is_idempotent", False)


def test_every_view_keeps_the_contract() -> None:
    assert [r.path for r in ROUTES if not issubclass(r.view.cls, Endpoint)] == []


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1", "/api/v2/me/", "/api/v1/nothing/"])
def test_what_is_no_address_is_a_problem(client: Any, path: str) -> None:
    for method in ("get", "post", "put", "patch", "delete", "options"):
        assert problem(getattr(client, method)(path)) == (404, "not_found")


def test_an_address_without_its_slash_is_none(api: APIClient) -> None:
    answer = api.get(f"{V1}/companies")

    assert problem(answer) == (404, "not_found")
    assert answer.json()["fix"] == "Check the id. Every address ends in a slash."


def test_a_host_that_is_not_ours_is_a_problem(client: Any) -> None:
    answer = client.get(f"{V1}/me/", HTTP_HOST="elsewhere.example.com")

    assert problem(answer) == (400, "bad_request")


def test_head_is_get_without_its_body(alex: User) -> None:
    api = api_of(alex)

    answer = api.head(f"{V1}/companies/?page_size=1")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["ETag"] == api.get(f"{V1}/companies/?page_size=1")["ETag"]
    assert api.head(f"{V1}/companies/?colour=red").status_code == 400


def test_the_name_of_a_request_is_the_callers_or_a_new_one(client: Any) -> None:
    named = client.get(f"{V1}/me/", HTTP_X_REQUEST_ID="front-end.7")
    others = [client.get(f"{V1}/me/", HTTP_X_REQUEST_ID=text) for text in ("a b", "x" * 65, "")]

    assert named["X-Request-Id"] == named.json()["request_id"] == "front-end.7"
    assert all(len(answer["X-Request-Id"]) == 36 for answer in others)
    assert client.get("/accounts/login/")["X-Request-Id"]


@pytest.mark.urls("tests.audit_site.api.broken_urls")
@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("mistake", 500, "internal_error"),
        ("mistake-of-rest", 500, "internal_error"),
        ("suspicious", 400, "bad_request"),
        ("denied", 403, "permission_denied"),
        ("teapot", 418, "bad_request"),
    ],
)
def test_whatever_answers_it_is_a_problem(client: Any, path: str, status: int, code: str) -> None:
    client.raise_request_exception = False

    answer = client.get(f"{V1}/{path}/")

    assert problem(answer) == (status, code)
    assert answer.json()["errors"] == []
    assert "secret" not in answer.content.decode()
