"""What holds for every answer, whoever gives it: a request id, and JSON under /api/."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from structlog.contextvars import bound_contextvars

from audit_site.api.problems import OF_STATUS, problem_body
from audit_site.api.serializers import PROBLEM_TYPE

#: An id that a caller may give to its request, to find it again in our log.
WELL_FORMED: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
UTF8: Final = frozenset({"utf-8", "utf8"})


class RequestIdMiddleware:
    """Names each request, in the log and in the answer; a name that the caller gave is kept."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.META.get("HTTP_X_REQUEST_ID", "")  # `headers` would keep what it saw
        request_id = given if WELL_FORMED.fullmatch(given) else str(uuid.uuid4())
        request.META["HTTP_X_REQUEST_ID"] = request_id  # where django-structlog looks for it
        with bound_contextvars(request_id=request_id):
            response = self._get_response(request)
        response["X-Request-Id"] = request_id
        return response


class ApiErrorMiddleware:
    """Turns what Django answers by itself under /api/ (a page of HTML) into a problem.

    What is larger than `DATA_UPLOAD_MAX_MEMORY_SIZE` is not read at all.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith("/api/"):
            return self._get_response(request)
        if refusal := _refused_unread(request):
            return as_problem(request, HttpResponse(status=refusal))
        response = self._get_response(request)
        is_json = response.get("Content-Type", "").split(";")[0].endswith("json")
        if response.status_code < 400 or is_json or not isinstance(response, HttpResponse):
            return response
        return as_problem(request, response)


def _refused_unread(request: HttpRequest) -> int:
    """The status for a request that nothing should read any further; 0 = it may go on."""
    if (request.encoding or "utf-8").lower() not in UTF8:  # the query would be read by it
        return 415
    length = request.META.get("CONTENT_LENGTH") or "0"
    too_large = length.isdecimal() and int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return 413 if too_large else 0


def as_problem(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The same answer with its headers, and a problem for its body."""
    fallback = "bad_request" if response.status_code < 500 else "internal_error"
    code = OF_STATUS.get(response.status_code, fallback)
    request_id = request.META.get("HTTP_X_REQUEST_ID", "")
    body = problem_body(response.status_code, code, request_id=request_id)
    response.content = json.dumps(body).encode()
    response["Content-Type"] = PROBLEM_TYPE
    response["Content-Length"] = str(len(response.content))
    return response
