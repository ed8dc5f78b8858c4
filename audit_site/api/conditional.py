"""ETags: what has not changed costs a 304, and nobody overwrites what they did not see."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from copy import copy
from datetime import datetime
from functools import partial
from threading import Lock
from typing import Any, Final, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import parse_etags
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.api.exceptions import PreconditionFailed
from audit_site.api.renderers import Renderer
from audit_site.api.requests import membership_of

PRIVATE: Final = "no-store"  # programs that keep an answer send its ETag all the same
CONDITIONS: Final = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE")


def conditional(
    request: Request, version: str, build: Callable[[], Any], *, keeps: bool = False
) -> HttpResponse:
    """Answer 304 when the client's copy is of this version, else build and send the body.

    `version` is any text that changes whenever the body does; the query is part of it by itself.
    With `keeps`, what is still as it was when this process last built it is sent as it was then;
    only for what an erasure gives another version.
    """
    text = f"{version}?{request.META.get('QUERY_STRING', '')}:{request.accepted_media_type}"
    etag = f"W/{_quoted_hash(text.encode())}"
    response = get_conditional_response(request._request, etag=etag)
    if response is None:
        written = partial(_written, request, build)
        content = KEPT.get(request.path, text, written).content if keeps else written()
        response = HttpResponse(content, content_type=JSONRenderer.media_type)
    response["ETag"] = etag
    response["Cache-Control"] = PRIVATE
    return response


def kept(
    request: Request, state: str, build: Callable[[], Any], until: Callable[[], datetime | None]
) -> HttpResponse:
    """Send the body as this process last built it for this caller, while it is true.

    `state` is any text that changes whenever the body may, read before it; `until`, asked when it
    is built, the moment from which on it is no longer true though nothing has changed. The ETag is
    that of the bytes.
    """
    membership = membership_of(request)
    who = f"{membership.tenant_id} {membership.user_id} {membership.role} {sorted(request.scopes)}"  # type: ignore[attr-defined]
    address = f"{who} {request.accepted_media_type} {request.build_absolute_uri()}"
    answer = KEPT.get(address, state, partial(_written, request, build), until)
    response: HttpResponse | None
    response = get_conditional_response(request._request, etag=answer.etag)
    if response is None:
        response = HttpResponse(answer.content, content_type=JSONRenderer.media_type)
    response["ETag"] = answer.etag
    response["Cache-Control"] = PRIVATE
    return response


def _written(request: Request, build: Callable[[], Any]) -> bytes:
    return Renderer().render(build(), request.accepted_media_type)


class KeptAnswer(NamedTuple):
    version: str
    content: bytes
    etag: str
    until: datetime | None

    @property
    def is_over(self) -> bool:
        return self.until is not None and self.until <= timezone.now()


class KeptAnswers:
    """What this process answered last, by address and version, up to so many bytes in all."""

    def __init__(self, most_bytes: int) -> None:
        self._most, self._bytes = most_bytes, 0
        self._kept: OrderedDict[str, KeptAnswer] = OrderedDict()
        self._lock = Lock()

    def get(
        self,
        address: str,
        version: str,
        build: Callable[[], bytes],
        until: Callable[[], datetime | None] = lambda: None,
    ) -> KeptAnswer:
        with self._lock:
            found = self._kept.get(address)
            if found is not None and found.version == version and not found.is_over:
                self._kept.move_to_end(address)
                return found
        ends = until()
        content = build()
        answer = KeptAnswer(version, content, _quoted_hash(content), ends)
        with self._lock:
            self._keep(address, answer)
        return answer

    def _keep(self, address: str, answer: KeptAnswer) -> None:
        self._forget(self._kept.pop(address, None))
        self._kept[address] = answer
        self._bytes += len(answer.content)
        while self._bytes > self._most:
            self._forget(self._kept.popitem(last=False)[1])

    def _forget(self, answer: KeptAnswer | None) -> None:
        self._bytes -= len(answer.content) if answer else 0


MOST_BYTES: Final = 16 * 1024 * 1024
KEPT: Final = KeptAnswers(MOST_BYTES)


def tag_when_rendered(request: Request, response: Response) -> None:
    """Give an answer the ETag of its own bytes, and make it a 304 when the client has those."""

    def tag(rendered: Response) -> HttpResponse | None:
        rendered["ETag"] = etag = _quoted_hash(rendered.content)
        rendered.setdefault("Cache-Control", PRIVATE)
        if request.method not in {"GET", "HEAD"}:
            return None
        found = get_conditional_response(request._request, etag=etag, response=rendered)
        return found if isinstance(found, HttpResponse) else None

    response.add_post_render_callback(tag)


def check_if_match(request: Request, view: Callable[..., Any], kwargs: dict[str, Any]) -> None:
    """Refuse a change of an object that is not as `If-Match` says: as GET would show it now.

    A proxy that compresses makes our ETags weak ones, so that weak and strong are the same here.
    """
    wanted = {etag.removeprefix("W/") for etag in parse_etags(request.headers["If-Match"])}
    shown = view(_reading(request._request), **kwargs)
    shown.render()
    if shown.status_code == 404:
        return  # the change itself says so
    exists = shown.status_code == 200
    if exists and ("*" in wanted or shown["ETag"].removeprefix("W/") in wanted):
        return
    raise PreconditionFailed(shown.data if exists else None)


def _reading(request: HttpRequest) -> HttpRequest:
    """The same request as a GET of the same address, without conditions."""
    reading = copy(request)
    reading.method = "GET"
    reading.META = {k: v for k, v in request.META.items() if k not in CONDITIONS}
    reading.__dict__.pop("headers", None)
    return reading


def _quoted_hash(content: bytes) -> str:
    return f'"{hashlib.blake2b(content, digest_size=16).hexdigest()}"'
