"""Every endpoint of the API, found in the URLconf: a new one is walked without being listed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from tests.clients import V1

#: Pages and documents of drf-spectacular: what they answer is no object of ours.
DOCUMENTS = ("/api/v1/docs/", "/api/v1/schema/")
NOBODY = "00000000-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class Route:
    """An address with ids in it that nobody has, its view, and the methods that it answers.

    `pattern` is the address with `<name>` in the places of ids.
    """

    path: str
    view: Any
    methods: tuple[str, ...]
    pattern: str

    def handler(self, method: str) -> Any:
        actions = getattr(self.view, "actions", None) or {}
        return getattr(self.view.cls, actions.get(method, method))

    def __str__(self) -> str:
        return self.path


def routes() -> list[Route]:
    (ours,) = (e for e in get_resolver().url_patterns if str(e.pattern) == V1.lstrip("/") + "/")
    return [_route(prefix, entry) for prefix, entry in _entries(ours, f"{V1}/")]


def _entries(resolver: URLResolver, prefix: str) -> list[tuple[str, URLPattern]]:
    found: list[tuple[str, URLPattern]] = []
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            found += _entries(entry, prefix + str(entry.pattern))
        else:
            found.append((prefix, entry))
    return [(p, e) for p, e in found if not (p + str(e.pattern)).startswith(DOCUMENTS)]


def _route(prefix: str, entry: URLPattern) -> Route:
    text = prefix + str(entry.pattern).lstrip("^").replace(r"\Z", "").rstrip("$")
    view: Any = entry.callback
    actions = getattr(view, "actions", None)
    known = actions or [m for m in ("get", "post", "patch", "delete") if hasattr(view.cls, m)]
    methods = tuple(m for m in known if m != "head")
    pattern = re.sub(r"\(\?P(<\w+>)[^)]*\)", r"\1", text)
    pattern = re.sub(r"<\w+:(\w+)>", r"<\1>", pattern)
    return Route(re.sub(r"<\w+>", NOBODY, pattern), view, methods, pattern)


ROUTES = routes()
#: Each method of each endpoint.
CALLS = [(route, method) for route in ROUTES for method in route.methods]
