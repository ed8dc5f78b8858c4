"""The one list of codes: nothing is raised that is not in it, and REST shows all of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from rest_framework.test import APIClient

from audit_site.error_codes import CODES
from integrations.importing.rules import REASONS
from integrations.psa.errors import CODES as PSA_CODES
from tests.clients import V1, problem

ROOTS = ("audit_site", "companies", "agreements", "integrations")
#: What carries a code, and at which of its positions; all carry one that is named `code`.
CARRIERS: dict[str, tuple[int, ...]] = {
    "DomainError": (0,),
    "PsaError": (0,),
    "PsaRefused": (0,),
    "PsaUnavailable": (0,),
    "RejectedRecord": (1,),
    "invalid": (1, 2),
    "field_error": (1,),
}
A_CODE = re.compile(r"[a-z][a-z0-9_]*")


@cache
def trees() -> list[ast.AST]:
    return [
        ast.parse(path.read_text())
        for root in ROOTS
        for path in Path(root).rglob("*.py")
        if "sandbox" not in path.parts and "migrations" not in path.parts
    ]


@cache
def constants() -> dict[str, set[str]]:
    """Codes that have names, such as `SEES_NOTHING`, by these."""
    found: dict[str, set[str]] = {}
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.AnnAssign | ast.Assign) and isinstance(
                node.value, ast.Constant
            ):
                target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                name = getattr(target, "id", "")
                if name.isupper() and A_CODE.fullmatch(str(node.value.value)):
                    found.setdefault(name, set()).add(str(node.value.value))
    return found


def codes_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for argument in _arguments(node):
                yield from _texts(argument)
        elif isinstance(node, ast.Dict):  # `{"field": …, "code": …}`
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "code":
                    yield from _texts(value)


def _arguments(call: ast.Call) -> list[ast.AST]:
    name = getattr(call.func, "id", None) or getattr(call.func, "attr", "")
    named: list[ast.AST] = [k.value for k in call.keywords if k.arg == "code"]
    places = CARRIERS.get(name.lstrip("_"), ())
    return named or [call.args[place] for place in places if len(call.args) > place]


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield from constants().get(node.id, ())
    if isinstance(node, ast.Constant) and A_CODE.fullmatch(str(node.value)):
        yield str(node.value)
    if isinstance(node, ast.IfExp):
        yield from (*_texts(node.body), *_texts(node.orelse))


def test_every_code_that_is_raised_is_in_the_list() -> None:
    raised = {code for tree in trees() for code in codes_in(tree)}

    assert {"licence_exceeded", "renewal_circle", "superseded", "sees_nothing"} <= raised
    assert raised - set(CODES) - NO_ERRORS == set()


#: `code=` of something else.
NO_ERRORS = {
    *("security", "invalid_question", "password_guessable", "too_many_tries"),
    "brought_back",  # what came of a row
}


def test_what_other_lists_name_is_in_it() -> None:
    assert set(PSA_CODES) | set(REASONS) <= set(CODES)


def test_an_entry_says_what_it_is_and_what_to_do() -> None:
    for code, entry in CODES.items():
        assert code == entry.code
        assert entry.title
        assert not entry.title.endswith(".")
        assert entry.meaning.endswith(".")
        assert not entry.fix or entry.fix.endswith(".")


def test_rest_lists_them_all(api: APIClient) -> None:
    answer = api.get(f"{V1}/errors/").json()

    assert (answer["next"], answer["previous"]) == (None, None)
    assert {row["code"]: row["fix"] for row in answer["results"]} == {
        code: entry.fix for code, entry in CODES.items()
    }
    assert problem(APIClient().get(f"{V1}/errors/")) == (401, "not_authenticated")
