"""The OpenAPI schema and its pages."""

from __future__ import annotations

import json

from django.test import Client

from tests.clients import V1


def test_the_schema_is_complete_and_without_warnings(client: Client, db: None) -> None:
    from drf_spectacular.drainage import GENERATOR_STATS  # noqa: PLC0415
    from drf_spectacular.validation import validate_schema  # noqa: PLC0415

    GENERATOR_STATS.reset()
    answer = client.get(f"{V1}/schema/", HTTP_ACCEPT="application/json")

    schema = json.loads(answer.content)
    assert answer.status_code == 200
    assert schema["openapi"].startswith("3.1")
    validate_schema(schema)
    assert not GENERATOR_STATS
    assert "/api/v1/companies/{id}/mrr/" in schema["paths"]


def test_its_pages_are_served_from_here(client: Client, db: None) -> None:
    page = client.get(f"{V1}/docs/")

    assert page.status_code == 200
    assert b"//cdn" not in page.content
