"""The OpenAPI document: what endpoints declare, with what all of them have in common."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from audit_site.api.parameters import PAGING
from audit_site.api.serializers import (
    PROBLEM_TYPE,
    PreconditionFailedSerializer,
    ProblemSerializer,
)

WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
#: What an answer with this status means, beside what its own endpoint says.
DESCRIPTIONS: Final = {
    "200": "Done.",
    "201": "Made.",
    "202": "Begun: a worker carries it out.",
    "204": "Done; there is nothing to say.",
    "304": "Unchanged since the answer whose ETag was sent.",
    "400": "The request can't be taken: `errors` says where.",
    "401": "No credentials, or none that are valid.",
    "403": "The role or the scope does not suffice.",
    "404": "There is no such thing, or it is another tenant's.",
    "405": "This address does not take this method.",
    "406": "No such format: ask for JSON.",
    "409": "A rule says no: `code` says which.",
    "412": "Changed since the answer whose ETag was sent; `current` is the object as it is.",
    "413": "The body is too large.",
    "415": "The body is not JSON in UTF-8.",
    "422": "This `Idempotency-Key` came before with another request.",
    "429": "Done as often as it may be within an hour.",
    "500": "Our mistake; it has been reported.",
    "502": "The PSA could not be asked.",
}
_TEXT: Final = {"type": "string"}
HEADERS: Final[dict[str, Any]] = {
    "X-Request-Id": {
        "description": "Names this request in our log.",
        "schema": _TEXT,
        "required": True,
    },
    "ETag": {
        "description": "Names this state; send it as `If-None-Match` or `If-Match`.",
        "schema": _TEXT,
        "required": True,
    },
    "Idempotent-Replay": {
        "description": "`true`: this is the answer that the same key got before.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {
        "description": "Seconds after which it can be tried again.",
        "schema": {"type": "integer", "minimum": 0},
        "required": True,
    },
    "RateLimit-Policy": {
        "description": 'How often within how many seconds: `"tests";q=60;w=3600`.',
        "schema": _TEXT,
        "required": True,
    },
    "RateLimit": {
        "description": 'How often still, and seconds until all are free: `"tests";r=59;t=3600`.',
        "schema": _TEXT,
        "required": True,
    },
    "WWW-Authenticate": {"description": "`Bearer`", "schema": _TEXT, "required": True},
}


def _request_header(name: str, description: str, **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, {"type": "string", **schema}, OpenApiParameter.HEADER, description=description
    )


IDEMPOTENCY_KEY: Final = _request_header(
    "Idempotency-Key",
    "The same key with the same body within 24 hours is carried out once, and answered alike.",
    minLength=1,
    maxLength=255,
)
IF_NONE_MATCH: Final = _request_header(
    "If-None-Match", "The ETag of the answer you have: 304 while that is still right."
)
IF_MATCH: Final = _request_header(
    "If-Match", "The ETag of the object you have seen: 412 when it is another one by now."
)


class ApiSchema(AutoSchema):
    """drf-spectacular's, which knows problems, ETags, idempotency, limits and pages of ours."""

    def query_parameters(self) -> list[OpenApiParameter]:
        """What the query of this operation may hold."""
        found = self.get_override_parameters()
        return [entry for entry in found if entry.location == OpenApiParameter.QUERY]

    def get_override_parameters(self) -> list[Any]:
        """What every operation of this kind takes; `extend_schema` adds its own to it."""
        taken: list[Any] = []
        if self._is_list_view() and getattr(self.view, "pagination_class", None):
            taken += PAGING
        if self.method == "GET":
            taken.append(IF_NONE_MATCH)
        if self.method in {"PATCH", "DELETE"}:
            taken.append(IF_MATCH)
        if self._trait("is_idempotent"):
            taken.append(IDEMPOTENCY_KEY)
        return taken

    def _trait(self, name: str) -> Any:
        """What a decorator has noted on the method that answers."""
        method = self.method.lower()
        action = (getattr(self.view, "action_map", None) or {}).get(method, method)
        return getattr(getattr(self.view, action, None), name, None)

    def get_operation_id(self) -> str:
        """`list_companies`, `get_company`, `sync_company`: what a client calls its method."""
        base = getattr(self.view, "basename", None)
        if not base:
            return str(super().get_operation_id())
        noun, plural = base.replace("-", "_"), self.path.split("/")[3].replace("-", "_")
        action = str(getattr(self.view, "action", ""))
        names = {
            "list": f"list_{plural}",
            "retrieve": f"get_{noun}",
            "create": f"create_{noun}",
            "partial_update": f"update_{noun}",
            "destroy": f"delete_{noun}",
        }
        return names.get(action) or self._action_id(noun, action)

    def _action_id(self, noun: str, action: str) -> str:
        if self.method == "POST":
            return f"{action}_{noun}"
        read = "list" if self._is_list_view() else "get"
        verb = {"GET": read, "PATCH": "update", "DELETE": "delete"}[self.method]
        return f"{verb}_{noun}_{action}"

    def _is_list_view(self, serializer: Any = None) -> bool:
        """By the answer with the lowest status: those of problems come with their content type."""
        if serializer is None:
            serializer = self.get_response_serializers()
        if isinstance(serializer, dict):
            serializer = {
                code: shape for code, shape in serializer.items() if isinstance(code, int)
            }
        return bool(super()._is_list_view(serializer))

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is not None:
            for entry in operation.get("parameters", []):
                if entry["in"] == "query" and not entry.get("required"):
                    entry["allowEmptyValue"] = True  # as if it were absent
            self._complete(operation["responses"])
        return operation

    def _complete(self, responses: dict[str, Any]) -> None:
        """Add the answers and headers that follow from what kind of operation it is."""
        for status in self._statuses(responses):
            responses[status] = {"content": {PROBLEM_TYPE: {"schema": self._problem(status)}}}
        if self.method == "GET":
            responses["304"] = {}
        for status in sorted(responses):
            answer = responses[status] = responses.pop(status)
            answer["description"] = answer.get("description") or ""
            if answer["description"] in {"", "No response body"}:
                answer["description"] = DESCRIPTIONS[status]
            answer["headers"] = {name: HEADERS[name] for name in self._headers(status)}

    def _problem(self, status: str) -> dict[str, Any]:
        shape = PreconditionFailedSerializer if status == "412" else ProblemSerializer
        return dict(self.resolve_serializer(shape, "response").ref)

    def _statuses(self, responses: dict[str, Any]) -> list[str]:
        """The errors that an operation of this kind can answer with."""
        found = ["400", "406", "500"]
        if self.view.permission_classes and self.view.authentication_classes:
            found += ["401", "403"]
        if "{" in self.path:
            found.append("404")
        if self.method in WRITES:
            found += ["409", "413", "415"]
        if self.method in {"PATCH", "DELETE"}:
            found.append("412")
        if self._trait("is_idempotent"):
            found.append("422")
        if self._trait("limited_acts"):
            found.append("429")
        if self._trait("asks_psa"):
            found += ["409", "502"]
        return [status for status in sorted(set(found)) if status not in responses]

    def _headers(self, status: str) -> list[str]:
        names = ["X-Request-Id"]
        if (self.method == "GET" and status in {"200", "304"}) or (
            self.method == "PATCH" and status == "200"
        ):
            names.append("ETag")
        if self._trait("is_idempotent") and status < "300":
            names.append("Idempotent-Replay")
        if self._trait("limited_acts") and (status < "300" or status == "429"):
            names += ["RateLimit", "RateLimit-Policy"]
        if status == "429":
            names.append("Retry-After")
        if status == "401":
            names.append("WWW-Authenticate")
        return names
