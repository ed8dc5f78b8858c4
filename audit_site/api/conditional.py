"""ETags: an answer that has not changed since a client's copy costs a 304, and no computing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from rest_framework.request import Request
from rest_framework.response import Response


def conditional(request: Request, version: str, build: Callable[[], Any]) -> HttpResponse:
    """Answer 304 when the client's copy is of this version, else build and send the body.

    `version` is any text that changes whenever the body does; the query is part of it by itself.
    """
    text = f"{version}?{request.META.get('QUERY_STRING', '')}:{request.accepted_media_type}"
    etag = f'W/"{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"'
    unchanged = get_conditional_response(request._request, etag=etag)
    response = unchanged if unchanged is not None else Response(build())
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    return response
