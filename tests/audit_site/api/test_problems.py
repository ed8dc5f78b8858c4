"""What is wrong with a request, as problem+json."""

from __future__ import annotations

from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from integrations.models import Integration
from integrations.sandbox.server import SandboxServer
from tests.clients import V1, create, problem


def test_unknown_fields_are_refused_also_inside(api: APIClient, sandbox: SandboxServer) -> None:
    outer = create(api, sandbox, color="red")
    inner = create(api, sandbox, credentials={**sandbox.credentials("connectwise"), "pin": "1"})
    contact = api.post(
        f"{V1}/companies/", {"name": "A", "primary_contact": {"email": "a@b.example", "age": 3}}
    )

    assert problem(outer) == (400, "unknown_field")
    assert outer.json()["errors"][0]["field"] == "color"
    assert inner.json()["errors"] == [
        {
            "field": "credentials.pin",
            "code": "unknown_field",
            "message": "ConnectWise Manage has no field “pin”.",
        }
    ]
    assert contact.json()["errors"][0]["field"] == "primary_contact.age"
    assert not Integration.objects.exists()


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        ("{", "application/json", 400, "parse_error"),
        ("[]", "application/json", 400, "invalid"),
        ("a=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        ('{"name": 5}', "application/json", 400, "required"),
    ],
)
def test_bodies_that_are_none_are_problems(
    api: APIClient, body: str, kind: str, status: int, code: str
) -> None:
    answer = api.post(f"{V1}/companies/", body, content_type=kind)

    assert problem(answer) == (status, code)


def test_other_methods_and_places_are_problems_too(api: APIClient) -> None:
    assert problem(api.put(f"{V1}/companies/{uuid4()}/", {})) == (405, "method_not_allowed")
    assert problem(api.get(f"{V1}/companies/{uuid4()}/")) == (404, "not_found")
    assert problem(api.get(f"{V1}/companies/not-an-id/")) == (404, "not_found")
    assert problem(api.get(f"{V1}/mrr/?as_of=2026-02-30")) == (400, "invalid_parameter")
