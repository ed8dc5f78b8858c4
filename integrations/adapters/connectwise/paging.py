"""Where the next page of a ConnectWise list begins.

A cursor is `id:<pageId>` (forward-only: `id > pageId`, so that rows that move lose nobody) or
`page:<number>`, for a server that doesn't know that mode. A `Link` header's address is never
followed: only the `pageId` in it is read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec


class Place(NamedTuple):
    """A page: in which mode (`id` or `page`), and after which id or with which number."""

    mode: str
    at: str

    @classmethod
    def of(cls, cursor: str | None) -> Place:
        mode, _, at = (cursor or "id:").partition(":")
        return cls(mode, at)

    @property
    def cursor(self) -> str | None:
        """The cursor of this page; None where there is none."""
        return f"{self.mode}:{self.at}" if self.at else None

    @property
    def params(self) -> dict[str, str]:
        if self.mode == "page":
            return {"page": self.at, "orderBy": "id asc"}
        return {"pageId": self.at} if self.at else {}

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.mode == "page" else {"pagination-type": "forward-only"}

    def after(self, rows: Sequence[msgspec.Raw], links: str | None, page_size: int) -> Place:
        """The place after a page with these rows and this `Link` header; without `at` = the end."""
        if not rows:
            return Place(self.mode, "")
        link = next_link(links)
        if self.mode == "page":
            has_more = bool(link) if links else len(rows) >= page_size
            return Place("page", str(int(self.at) + 1) if has_more else "")
        following = parse_qs(urlsplit(link).query).get("pageId", [""])[0]
        moves = following.isdecimal() and following != self.at
        return Place("id", following if moves else "")


#: By number, from the first page on.
FIRST_BY_NUMBER = Place("page", "1")


def next_link(links: str | None) -> str:
    """The address of `rel="next"`.

    An address may hold commas, so the header is not split at them.
    """
    match = re.search(r'<([^>]*)>\s*;\s*rel="?next"?', links or "")
    return match.group(1) if match else ""


def knows_only_numbers(rows: Sequence[msgspec.Raw], links: str | None, page_size: int) -> bool:
    """Whether the first page shows that the server ignored forward-only and has more to give."""
    link = next_link(links)
    if link:
        return "pageId" not in parse_qs(urlsplit(link).query)
    return links is None and len(rows) >= page_size
