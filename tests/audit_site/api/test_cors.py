"""What a browser of the main frontend may send and read."""

from __future__ import annotations

from typing import Any

from rest_framework.test import APIClient

from tests.clients import V1

FRONTEND = "https://app.example.com"


def test_a_browser_of_the_frontend_may_send_and_read_what_it_needs(
    api: APIClient, settings: Any
) -> None:
    settings.CORS_ALLOWED_ORIGINS = [FRONTEND]

    asked = APIClient().options(
        f"{V1}/companies/",
        HTTP_ORIGIN=FRONTEND,
        HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST",
    )
    answer = api.get(f"{V1}/nothing/", HTTP_ORIGIN=FRONTEND)

    allowed = set(asked["Access-Control-Allow-Headers"].split(", "))
    assert asked["Access-Control-Allow-Origin"] == answer["Access-Control-Allow-Origin"] == FRONTEND
    assert {"authorization", "idempotency-key", "if-match", "if-none-match"} <= allowed
    assert set(answer["Access-Control-Expose-Headers"].split(", ")) == {
        *("ETag", "Retry-After", "RateLimit", "RateLimit-Policy"),
        *("X-Request-Id", "Idempotent-Replay"),
    }
    assert "Access-Control-Allow-Credentials" not in answer


def test_any_other_origin_may_not(api: APIClient) -> None:
    answer = api.get(f"{V1}/me/", HTTP_ORIGIN="https://elsewhere.example.com")

    assert "Access-Control-Allow-Origin" not in answer
