"""The OpenAPI schema and its pages: it is true, complete, and changes only knowingly."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from django.test import Client

from audit_site.api.schema_hooks import OF_SOME, OF_SOME_PROBLEMS
from tests.api_changes import (
    CHANGELOG,
    CURRENT,
    RELEASED,
    breaking_changes,
    not_in_changelog,
    read,
)
from tests.clients import V1, problem

CONTRACT = read(CURRENT)
OPERATIONS = [
    (f"{method} {path}", operation)
    for path, methods in CONTRACT["paths"].items()
    for method, operation in methods.items()
]
OBJECTS = {n: s for n, s in CONTRACT["components"]["schemas"].items() if "properties" in s}
LISTS = [name for name in OBJECTS if name.startswith("Paginated")]


def test_the_schema_is_the_one_in_the_repository_and_without_warnings(client: Client) -> None:
    from drf_spectacular.drainage import GENERATOR_STATS  # noqa: PLC0415
    from drf_spectacular.validation import validate_schema  # noqa: PLC0415

    GENERATOR_STATS.reset()
    answer = client.get(f"{V1}/schema/", HTTP_ACCEPT="application/json")

    schema = json.loads(answer.content)
    assert answer.status_code == 200
    assert schema["openapi"].startswith("3.1")
    validate_schema(schema)
    assert not GENERATOR_STATS
    assert schema == CONTRACT, "The contract changed: look at it, then `make schema`."


def test_its_pages_are_served_from_here(client: Client) -> None:
    page = client.get(f"{V1}/docs/")

    assert page.status_code == 200
    assert b"//cdn" not in page.content


def test_it_comes_as_yaml_or_json_by_its_address(client: Client) -> None:
    assert client.get(f"{V1}/schema/?format=json").json() == CONTRACT
    assert client.get(f"{V1}/schema/").content.startswith(b"openapi: 3.1")
    assert client.get(f"{V1}/schema/?format=yaml").content.startswith(b"openapi: 3.1")
    assert problem(client.get(f"{V1}/schema/?format=xml")) == (400, "invalid_parameter")


def test_a_breaking_change_is_named_in_the_changelog() -> None:
    changes = breaking_changes(read(RELEASED), CONTRACT)

    assert not_in_changelog(changes, CHANGELOG.read_text()) == []


def _lose_a_path(schema: Any) -> str:
    del schema["paths"]["/api/v1/me/"]
    return "GET /api/v1/me/ is gone"


def _lose_a_field(schema: Any) -> str:
    del schema["components"]["schemas"]["Company"]["properties"]["link"]
    return "Company.link is gone"


def _change_a_type(schema: Any) -> str:
    schema["components"]["schemas"]["Company"]["properties"]["name"] = {"type": ["string", "null"]}
    return "Company.name is another type"


def _lose_a_word(schema: Any) -> str:
    schema["components"]["schemas"]["RunState"]["enum"].remove("partial")
    return "RunState “partial” is gone"


def _demand_a_field(schema: Any) -> str:
    schema["components"]["schemas"]["IntegrationCreateRequest"]["required"].append("name")
    return "IntegrationCreateRequest.name is required"


def _lose_a_parameter(schema: Any) -> str:
    parameters = schema["paths"]["/api/v1/companies/"]["get"]["parameters"]
    parameters[:] = [entry for entry in parameters if entry["name"] != "search"]
    return "GET /api/v1/companies/ search is gone"


def _lose_an_answer(schema: Any) -> str:
    del schema["paths"]["/api/v1/integrations/{id}/sync/"]["post"]["responses"]["200"]
    return "POST /api/v1/integrations/{id}/sync/ 200 is gone"


@pytest.mark.parametrize(
    "act",
    [
        _lose_a_path,
        _lose_a_field,
        _change_a_type,
        _lose_a_word,
        _demand_a_field,
        _lose_a_parameter,
        _lose_an_answer,
    ],
)
def test_what_breaks_a_client_is_found_and_must_be_named(act: Any) -> None:
    changed = deepcopy(CONTRACT)
    told = act(changed)

    found = breaking_changes(CONTRACT, changed)

    assert found == [told]
    place = told.partition(" is ")[0]
    assert not_in_changelog(found, f"# C\n## Unreleased\n- `{place}`\n## 1\n") == []
    assert not_in_changelog(found, f"# C\n## Unreleased\n- nothing\n## 1\n- `{place}`\n") == found


def test_what_is_added_breaks_nobody() -> None:
    changed = deepcopy(CONTRACT)
    changed["paths"]["/api/v1/new/"] = {"get": {"responses": {"200": {}}}}
    changed["components"]["schemas"]["Company"]["properties"]["colour"] = {"type": "string"}
    changed["components"]["schemas"]["RunState"]["enum"].append("resting")
    changed["components"]["schemas"]["Company"]["description"] = "Other words."

    assert breaking_changes(CONTRACT, changed) == []


def test_no_word_of_openapi_3_0_is_left() -> None:
    assert '"nullable"' not in CURRENT.read_text()


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_has_its_fields_and_no_others(name: str) -> None:
    shape = OBJECTS[name]

    assert shape["additionalProperties"] is False
    if not name.endswith("Request"):
        of_some = OF_SOME_PROBLEMS | OF_SOME.get(name, frozenset())
        assert set(shape["required"]) == set(shape["properties"]) - of_some


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_an_operation_says_what_it_does_and_how_it_may_end(name: str, operation: Any) -> None:
    method, path = name.split()
    answers = operation["responses"]

    assert operation["description"].strip().endswith(".")
    expected = {"400", "401", "403", "406", "500"}
    expected |= {"404"} if "{" in path else set()
    expected |= {"409", "413", "415"} if method != "get" else {"304"}
    expected |= {"412"} if method in {"patch", "delete"} else set()
    expected |= {"422"} if method == "post" else set()
    assert expected <= set(answers)
    assert all(answer["description"] for answer in answers.values())
    assert all("X-Request-Id" in answer["headers"] for answer in answers.values())
    if "429" in answers:
        assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(answers["429"]["headers"])
    if method == "get":
        assert "ETag" in answers["200"]["headers"]


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_a_list_is_paged_with_a_cursor(name: str, operation: Any) -> None:
    answer = json.dumps(operation["responses"].get("200", {}))
    taken = {entry["name"] for entry in operation.get("parameters", [])}

    assert ("Paginated" in answer) == ({"cursor", "page_size"} <= taken)
    if '"type": "array"' in answer:
        assert name == "get /api/v1/psas/"  # the one list that is not paged


def test_pages_always_say_what_comes_next() -> None:
    assert len(LISTS) >= 8
    for name in LISTS:
        assert OBJECTS[name]["required"] == ["next", "previous", "results"]
