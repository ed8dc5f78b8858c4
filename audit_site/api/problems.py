"""Every error of the API as RFC 9457 problem+json, with a stable code and a sentence to act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.serializers import as_serializer_error
from rest_framework.views import set_rollback

from audit_site.api.exceptions import PreconditionFailed
from audit_site.api.serializers import MOST_ERRORS, PROBLEM_TYPE
from audit_site.error_codes import CODES, ErrorCode
from audit_site.errors import Explained, FieldErrors
from audit_site.log_context import request_id

#: No problem repeats more of what was sent.
LONGEST_FIELD: Final = 200
LONGEST_MESSAGE: Final = 1000
#: So many of them are told in `detail`.
IN_DETAIL: Final = 3
#: Ours for what Django and the web server say by a status alone.
OF_STATUS: Final = {
    400: "bad_request",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "body_too_large",
    415: "unsupported_media_type",
    500: "internal_error",
}
#: What the framework says in words of Python is said in those of the code.
IN_OUR_WORDS: Final = frozenset({"not_a_list", "not_a_dict"})

Error = Mapping[str, str]


def problem_body(
    status: int,
    code: str,
    detail: str = "",
    *,
    fix: str = "",
    errors: Sequence[Error] = (),
    **more: Any,
) -> dict[str, Any]:
    """The body of an error; what it does not say itself is said of its code."""
    known = CODES.get(code) or ErrorCode(code, "Not possible", "A rule says no.")
    return {
        "type": f"/api/v1/errors/#{code}",
        "title": known.title,
        "status": status,
        "detail": detail or f"{known.meaning} {known.fix}".strip(),
        "code": code,
        "fix": fix or known.fix or None,
        "errors": [_shortened(error) for error in errors[:MOST_ERRORS]],
        "request_id": request_id(),
        **more,
    }


def _shortened(error: Error) -> dict[str, str]:
    field, message = error["field"][:LONGEST_FIELD], error["message"][:LONGEST_MESSAGE]
    return {**error, "field": field, "message": message}


def problem(status: int, code: str, detail: str = "", **more: Any) -> Response:
    """Build a problem+json answer."""
    body = problem_body(status, code, detail, **more)
    return Response(body, status=status, content_type=PROBLEM_TYPE)


def problem_response(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler. What it doesn't know is a 500 and is reported."""
    set_rollback()
    match error:
        case FieldErrors():
            return problem(400, error.code, error.sentence, fix=error.fix, errors=error.errors)
        case Explained():
            answer = problem(error.status, error.code, error.sentence, fix=error.fix, **error.more)
            for name, value in error.headers.items():
                answer[name] = value
            return answer
        case DjangoValidationError():
            return _invalid(exceptions.ValidationError(as_serializer_error(error)))
        case exceptions.ValidationError():
            return _invalid(error)
        case Http404():
            return problem(404, "not_found")
        case DjangoPermissionDenied():
            return problem(403, "permission_denied", "This is not allowed.")
        case PreconditionFailed():
            return problem(412, error.default_code, current=error.current)
        case exceptions.APIException():
            return _api_exception(error)
    return None


def _api_exception(error: exceptions.APIException) -> Response:
    detail, code = str(error.detail), str(error.get_codes())
    response = problem(error.status_code, code, detail)
    if header := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = header
    return response


def _invalid(error: exceptions.ValidationError) -> Response:
    errors = list(_flatten(error.detail))
    codes = {item["code"] for item in errors}
    only_code = codes.pop() if len(codes) == 1 else "invalid"
    return problem(400, only_code, _told(errors), errors=errors)


def _told(errors: Sequence[Error]) -> str:
    """The first errors as one text; how many there are beside them is said."""
    parts = []
    for error in map(_shortened, errors[:IN_DETAIL]):
        place = f"{error['field']}: " if error["field"] else ""
        parts.append(place + error["message"])
    more = len(errors) - IN_DETAIL
    return "; ".join([*parts, f"and {more} more."] if more > 0 else parts)


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
        code = str(getattr(detail, "code", "invalid"))
        message = CODES[code].meaning if code in IN_OUR_WORDS else str(detail)
        yield {"field": field, "code": code, "message": message}
