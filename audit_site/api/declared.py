"""What an endpoint takes, as its `extend_schema` declares it: schema and refusals are one thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter
from rest_framework.views import APIView

from audit_site.api.schema import ApiSchema


@dataclass(frozen=True, slots=True)
class Declared:
    """The query parameters of an endpoint by name, and whether it takes a body."""

    parameters: Mapping[str, OpenApiParameter]
    takes_body: bool


_KNOWN: Final[dict[tuple[type, str, str], Declared]] = {}


def declared(view: APIView) -> Declared:
    """What the method of a view that a request is about to reach has declared."""
    method = str(view.request.method).replace("HEAD", "GET")
    name = (getattr(view, "action_map", None) or {}).get(method.lower(), method.lower())
    key = (type(view), name, method)
    if key not in _KNOWN:
        _KNOWN[key] = _read(view, name, method)
    return _KNOWN[key]


def _read(view: APIView, name: str, method: str) -> Declared:
    handler: Any = getattr(view, name, None)
    own = getattr(handler, "kwargs", {}).get("schema")
    schema: ApiSchema = own() if own else ApiSchema()
    schema.view, schema.method = view, method
    parameters = {p.name: p for p in schema.query_parameters()}
    return Declared(parameters, schema.get_request_serializer() is not None)
