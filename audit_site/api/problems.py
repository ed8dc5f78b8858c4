"""Every error of the API as RFC 9457 problem+json, with a stable code and a sentence to act on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.serializers import as_serializer_error
from rest_framework.views import set_rollback

from audit_site.errors import Explained, FieldErrors

TITLES = {
    400: "The request can't be taken",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Not possible now",
    415: "Send JSON",
    422: "The request can't be taken",
    429: "Too many requests",
    502: "The PSA could not be asked",
    503: "The PSA could not be asked",
}
CONTENT_TYPE = "application/problem+json"


def problem(
    status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None
) -> Response:
    """Build a problem+json answer."""
    body = {
        "type": "about:blank",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        "errors": errors or [],
    }
    return Response(body, status=status, content_type=CONTENT_TYPE)


def problem_response(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler. What it doesn't know is a 500 and is reported."""
    set_rollback()
    match error:
        case FieldErrors():
            return problem(400, error.code, error.sentence, error.errors)
        case Explained():
            return problem(error.status, error.code, error.sentence)
        case DjangoValidationError():
            return _invalid(exceptions.ValidationError(as_serializer_error(error)))
        case exceptions.ValidationError():
            return _invalid(error)
        case Http404():
            return problem(404, "not_found", "There is no such thing here.")
        case DjangoPermissionDenied():
            return problem(403, "permission_denied", "This is not allowed.")
        case exceptions.APIException():
            return _api_exception(error)
    return None


def _api_exception(error: exceptions.APIException) -> Response:
    detail, code = str(error.detail), str(error.get_codes())
    response = problem(error.status_code, code, detail)
    if header := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = header
    if wait := getattr(error, "wait", None):
        response["Retry-After"] = str(int(wait) + 1)
    return response


def _invalid(error: exceptions.ValidationError) -> Response:
    errors = list(_flatten(error.detail))
    first = errors[0] if errors else {"code": "invalid", "message": "", "field": ""}
    only_code = first["code"] if len({item["code"] for item in errors}) == 1 else "invalid"
    detail = "; ".join(
        f"{item['field']}: {item['message']}" if item["field"] else item["message"]
        for item in errors
    )
    return problem(400, only_code, detail or "The request can't be taken.", errors)


def _flatten(detail: Any, field: str = "") -> Any:
    """Nested serializer errors as a flat list; nested fields are written with dots."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            own = "" if name == "non_field_errors" else str(name)
            yield from _flatten(inner, f"{field}.{own}".strip(".") if own else field)
    elif isinstance(detail, list | tuple):
        for inner in detail:
            yield from _flatten(inner, field)
    else:
        code = getattr(detail, "code", "invalid")
        yield {"field": field, "code": str(code), "message": str(detail)}
