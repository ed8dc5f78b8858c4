"""Conditions of Autotask's query language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

Condition = Mapping[str, Any]

RECURRING_SERVICE: Final = 7


def has_id(external_id: str) -> Condition:
    return {"op": "eq", "field": "id", "value": int(external_id)}


def has_any_id() -> Condition:
    """True of every record: a query must have a condition."""
    return {"op": "gte", "field": "id", "value": 0}


def is_one_of(field_name: str, ids: Iterable[str]) -> Condition:
    return {"op": "in", "field": field_name, "value": [int(id_) for id_ in ids]}


def holds(field_name: str, text: str) -> Condition:
    """True of a text with this one in it, its case aside."""
    return {"op": "contains", "field": field_name, "value": text}


def changed_after(field_name: str, since: datetime | None) -> list[Condition]:
    """What changed since a moment (none = everything).

    What was never modified may have `createDate` alone.
    """
    if since is None:
        return []
    moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    stamps = (field_name, "createDate")
    items = [{"op": "gte", "field": name, "value": moment} for name in stamps]
    return [{"op": "or", "items": items}]
