"""Cursor paging of a list that is worked out, not read from one table."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NoBase64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from rest_framework.request import Request

from audit_site.api.pagination import Pagination
from audit_site.api.parameters import invalid

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class ListedPage(Generic[ItemT]):
    """A page of a list, with the addresses of its neighbours (None = there is none)."""

    items: Sequence[ItemT]
    next: str | None
    previous: str | None

    def body(self, results: Any) -> dict[str, Any]:
        return {"next": self.next, "previous": self.previous, "results": results}


def listed_page(
    request: Request, items: Sequence[ItemT], key: Callable[[ItemT], str]
) -> ListedPage[ItemT]:
    """The page that a request asks for of a list that is ordered by a key, each item's own.

    A cursor names a key and not a position: what comes or goes meanwhile moves nothing.
    """
    size = Pagination().get_page_size(request) or Pagination.page_size
    backwards, mark = _read_cursor(request)
    if backwards:
        before = [item for item in items if key(item) < mark]
        shown, has_previous = before[-size:], len(before) > size
        has_next = bool(shown)
    else:
        after = [item for item in items if key(item) > mark]
        shown, has_next = after[:size], len(after) > size
        has_previous = bool(mark) and len(after) < len(items)
    return ListedPage(
        shown,
        _address(request, f">{key(shown[-1])}") if shown and has_next else None,
        _address(request, f"<{key(shown[0])}") if shown and has_previous else None,
    )


def fetched_page(
    request: Request,
    fetch: Callable[[bool, str, int], Sequence[ItemT]],
    key: Callable[[ItemT], str],
) -> ListedPage[ItemT]:
    """The page that a request asks for of a list that is read place by place.

    `fetch(backwards, mark, count)` gives at most `count` items that follow the one whose key is
    `mark` ("" = from the beginning), or that stand before it, the nearest first.
    """
    size = Pagination().get_page_size(request) or Pagination.page_size
    backwards, mark = _read_cursor(request)
    found = fetch(backwards, mark, size + 1)
    shown, has_more = found[:size], len(found) > size
    if backwards:
        shown = shown[::-1]
    has_next, has_previous = (True, has_more) if backwards else (has_more, bool(mark))
    return ListedPage(
        shown,
        _address(request, f">{key(shown[-1])}") if shown and has_next else None,
        _address(request, f"<{key(shown[0])}") if shown and has_previous else None,
    )


def _read_cursor(request: Request) -> tuple[bool, str]:
    """Whether it leads backwards, and the key it names ("" = the beginning)."""
    text = request.query_params.get("cursor", "")
    if not text:
        return False, ""
    try:
        cursor = urlsafe_b64decode(text.encode()).decode()
    except (ValueError, NoBase64):
        cursor = ""
    if cursor[:1] not in {"<", ">"}:
        raise invalid("cursor", "Take the cursor from `next` or `previous` as it is.")
    return cursor[0] == "<", cursor[1:]


def _address(request: Request, cursor: str) -> str:
    query = request.query_params.copy()
    query["cursor"] = urlsafe_b64encode(cursor.encode()).decode()
    return request.build_absolute_uri(f"{request.path}?{urlencode(query)}")
