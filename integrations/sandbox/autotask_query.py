"""Autotask's filter JSON: operators, groups, coercions and the errors of a bad query."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

Test = Callable[[Mapping[str, Any]], bool]

LARGEST_PAGE: Final = 500
MOST_OR_CONDITIONS: Final = 500
NOT_QUERYABLE: Final = {"isoptedoutfrombulkemail", "solicitationoptout", "surveyoptout"}
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(T[\d:.]+)?(Z|[+-]\d{2}:\d{2})?$")


class QueryError(Exception):
    """A query that Autotask answers with a 500 and this text."""


class Query:
    """A parsed query: which rows it lets through, how many on a page, and with which members."""

    def __init__(self, body: Any, members: Mapping[str, str], entity: str) -> None:
        """`members` are the entity's members by lower-case name, `entity` its singular."""
        if not isinstance(body, dict):
            raise QueryError("Invalid query syntax.")
        given = {str(name).lower(): value for name, value in body.items()}
        self._members, self._entity = members, entity
        self.size = given.get("maxrecords", LARGEST_PAGE)
        if not isinstance(self.size, int) or not 1 <= self.size <= LARGEST_PAGE:
            raise QueryError("maxCountOfRecordsToReturn must be between 1 and 500")
        self.fields = [self._known(name) for name in given.get("includefields") or []]
        filters = given.get("filter")
        if isinstance(filters, dict):
            filters = [filters]
        if not filters or not isinstance(filters, list):
            raise QueryError("The filter is missing or selects nothing.")
        if count_or(filters) > MOST_OR_CONDITIONS:
            raise QueryError(
                "Invalid query syntax. Queries are limited to 500 or fewer 'OR' conditions."
            )
        self.filters = filters
        tests = [self._test(item) for item in filters]
        self.test: Test = lambda row: all(test(row) for test in tests)

    def ids_of(self, member: str) -> list[int] | None:
        """The ids that a top-level `in` or `eq` names for a member: a way around a full scan."""
        for item in self.filters:
            if str(item.get("field", "")).lower() == member.lower():
                if item.get("op") == "in":
                    return [int(value) for value in item["value"]]
                if item.get("op") == "eq":
                    return [int(item["value"])]
        return None

    def _known(self, name: Any) -> str:
        found = self._members.get(str(name).lower())
        if found is None:
            raise QueryError(f"Unable to find {name} in the {self._entity} Entity.")
        return found

    def _test(self, item: Any) -> Test:
        if not isinstance(item, dict) or "op" not in item:
            raise QueryError("Invalid query syntax.")
        operator = str(item["op"]).lower()
        if operator in {"and", "or"}:
            tests = [self._test(part) for part in item.get("items") or []]
            if not tests:
                raise QueryError("Invalid query syntax.")
            together = all if operator == "and" else any
            return lambda row: together(test(row) for test in tests)
        if item.get("udf"):
            name = str(item.get("field"))
            read: Callable[[Mapping[str, Any]], Any] = lambda row: next(  # noqa: E731
                (f["value"] for f in row.get("userDefinedFields", ()) if f["name"] == name), None
            )
        else:
            field = self._known(item.get("field"))
            if field.lower() in NOT_QUERYABLE:
                raise QueryError(f"The field {item['field']} cannot be used in a query.")
            read = lambda row: row.get(field)  # noqa: E731
        return comparison(operator, read, item.get("value"))


def count_or(items: list[Any]) -> int:
    total = 0
    for item in items:
        if not isinstance(item, dict):
            continue
        parts = item.get("items") or []
        if str(item.get("op")).lower() == "or":
            total += len(parts)
        if str(item.get("op")).lower() in {"in", "notin"}:
            total += len(item.get("value") or [])
        total += count_or(parts)
    return total


def comparison(operator: str, read: Callable[[Mapping[str, Any]], Any], value: Any) -> Test:
    if operator in {"exist", "notexist"}:
        empty = operator == "notexist"
        return lambda row: (read(row) in (None, "")) is empty
    if operator in {"in", "notin"}:
        if not isinstance(value, list):
            raise QueryError("Invalid query syntax.")
        among = operator == "in"
        if all(type(one) is int for one in value):
            numbers = frozenset(value)
            return lambda row: (read(row) in numbers) is among
        return lambda row: any(same(read(row), one) for one in value) is among
    if operator in {"gt", "gte", "lt", "lte"}:
        return lambda row: ordered(operator, read(row), value)
    if operator in {"eq", "noteq"}:
        equal = operator == "eq"
        return lambda row: same(read(row), value) is equal
    if operator in {"beginswith", "endswith", "contains"}:
        return lambda row: like(operator, text(read(row)), text(value))
    raise QueryError(f"Invalid query syntax: {operator}.")


def like(operator: str, stored: str, asked: str) -> bool:
    match operator:
        case "beginswith":
            return stored.startswith(asked)
        case "endswith":
            return stored.endswith(asked)
    return asked in stored


def text(value: Any) -> str:
    return "" if value is None else str(value).casefold()


def comparable(stored: Any, asked: Any) -> tuple[Any, Any] | None:
    """Both values in one kind: moments, numbers (texts are coerced) or texts."""
    if stored is None or asked is None:
        return None
    if isinstance(stored, bool):
        if text(asked) not in {"true", "false", "1", "0"}:
            raise QueryError("A boolean field needs true or false.")
        return stored, text(asked) in {"true", "1"}
    if isinstance(stored, str):
        if MOMENT.match(stored) and MOMENT.match(str(asked)):
            return moment(stored), moment(str(asked))
        return text(stored), text(asked)
    try:
        return stored, type(stored)(str(asked))
    except (ValueError, ArithmeticError):
        raise QueryError("The value has a wrong type.") from None


def same(stored: Any, asked: Any) -> bool:
    pair = comparable(stored, asked)
    return pair is not None and pair[0] == pair[1]


def ordered(operator: str, stored: Any, asked: Any) -> bool:
    pair = comparable(stored, asked)
    if pair is None:
        return False
    left, right = pair
    match operator:
        case "gt":
            return bool(left > right)
        case "gte":
            return bool(left >= right)
        case "lt":
            return bool(left < right)
    return bool(left <= right)


def moment(written: str) -> datetime:
    found = datetime.fromisoformat(written)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def read_search(search: str) -> Any:
    try:
        return json.loads(search)
    except ValueError:
        raise QueryError("Invalid query syntax.") from None
