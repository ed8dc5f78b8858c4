"""Rules that are written in several places: where."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from tests.house.checkout import Checkout, Place

KINDS = (
    {"companies", "contacts", "agreements", "lines"},
    {"company", "contact", "agreement", "line"},
    {"read_companies", "read_contacts", "read_agreements"},
)
#: So many of them in one literal make it a list of the kinds.
ENUMERATED = 3
RULE_CODES = {"own_company", "no_contact", "contact_inactive", "contact_without_method"}
#: A shorter text than this is cut for another reason than its column.
SHORTEST_COLUMN = 40


def asked_links(checkout: Checkout) -> list[Place]:
    """Where the condition of a link in force is spelled out, outside the models."""
    pattern = r"unlinked_at(=None|\"\s*: None|__isnull|\s+is (not )?None)"
    others = (source for source in checkout.own if not source.is_model)
    return [place for source in others for place in source.matching(pattern)]


def integration_locks(checkout: Checkout) -> list[Place]:
    """`select_for_update` in a function that names the integration's table, or locks it by a join."""
    return [
        (source.name, call.lineno)
        for source in checkout.own
        if not source.name.endswith("/locks.py")
        for function in source.nodes(ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
        and getattr(call.func, "attr", "") == "select_for_update"
        and re.search(r"\bIntegration\.objects\b|of=\([^)]*integration", ast.unparse(function))
    ]


def lists_of_kinds(checkout: Checkout) -> list[Place]:
    """Literals that enumerate at least three kinds of records: as plurals, singulars or rights."""
    return [
        (source.name, node.lineno)
        for source in checkout.own
        if not source.is_adapter
        for node in _lists_of_kinds_in(source.tree)
    ]


def _lists_of_kinds_in(node: ast.AST) -> Iterator[Any]:
    """The outermost such literals."""
    for child in ast.iter_child_nodes(node):
        words = _words_in(child)
        if any(len(words & kinds) >= ENUMERATED for kinds in KINDS):
            yield child
        else:
            yield from _lists_of_kinds_in(child)


def _words_in(node: ast.AST, depth: int = 3) -> set[str]:
    """The texts in a literal and in the literals that it holds; of a dict only the keys."""
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    parts = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
    return {word for part in parts if part and depth for word in _words_in(part, depth - 1)}


def rule_codes(checkout: Checkout) -> list[Place]:
    """Where the code of an import rule is written outside the module that holds the rules."""
    return sorted(
        {
            (source.name, node.lineno)
            for source in checkout.own
            if "def broken_rules(" not in source.text
            for node in source.nodes(ast.Constant)
            if node.value in RULE_CODES
        }
    )


def text_lengths(checkout: Checkout) -> list[Place]:
    """Slices at a number that is some column's `max_length`: `name[:255]`."""
    models = "\n".join(source.text for source in checkout.files if source.is_model)
    lengths = {int(found) for found in re.findall(r"max_length=(\d+)", models)}
    return [
        (source.name, node.lineno)
        for source in checkout.own
        for node in source.nodes(ast.Slice)
        if node.lower is None
        and isinstance(node.upper, ast.Constant)
        and node.upper.value in lengths
        and node.upper.value >= SHORTEST_COLUMN
    ]


def places(checkout: Checkout, pattern: str) -> list[Place]:
    return [place for source in checkout.own for place in source.matching(pattern)]
