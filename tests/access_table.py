"""The table of docs/access.md: how each endpoint answers each caller, as a test has seen it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from django.db import transaction
from rest_framework.test import APIClient

from tests.audit_site.api.walk import CALLS, Route

DOCUMENT: Final = Path(__file__).resolve().parents[1] / "docs" / "access.md"
BEGIN, END = "<!-- access -->", "<!-- end of access -->"


def text(callers: Mapping[str, APIClient], ids: Mapping[str, Mapping[str, str]]) -> str:
    """The table in Markdown; `ids` are those of the tenant's rows by the family of a route."""
    head = f"| Endpoint | {' | '.join(callers)} |\n|---|{'---|' * len(callers)}"
    return "\n".join((head, *_rows(callers, ids)))


def _rows(callers: Mapping[str, APIClient], ids: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for route, method in sorted(CALLS, key=lambda call: (call[0].path, call[1])):
        statuses = [_status(client, method, _address(route, ids)) for client in callers.values()]
        yield f"| `{method.upper()} {_shown(route)}` | {' | '.join(map(str, statuses))} |"


def _status(client: APIClient, method: str, address: str) -> int:
    """What is answered; whatever was done is undone."""
    with transaction.atomic():
        answer: Any = getattr(client, method)(address)
        transaction.set_rollback(True)
    return int(answer.status_code)


def _address(route: Route, ids: Mapping[str, Mapping[str, str]]) -> str:
    family = route.path.split("/")[3]
    own = ids.get(family, {})
    return re.sub(r"<(\w+)>", lambda found: own[found[1]], route.pattern)


def _shown(route: Route) -> str:
    return re.sub(r"<\w+>", "{id}", route.pattern).removeprefix("/api/v1")


def written() -> str:
    """What the document holds between the two marks."""
    return DOCUMENT.read_text().partition(f"{BEGIN}\n")[2].partition(f"\n{END}")[0]


def write(table: str) -> None:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}")
