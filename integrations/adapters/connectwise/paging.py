"""Where the next page of a ConnectWise list begins, and whether there is one.

A cursor is `id:<pageId>` (forward-only: `id > pageId`, so that rows that move lose nobody) or
`page:<number>`, for a server that doesn't know that mode; after it stand how many records were read
and how many there are. The address in a `Link` header is never followed: only its `pageId` is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec

from integrations.psa.decoding import raw_id
from integrations.psa.listing import is_short, looks_full

Rows = Sequence[msgspec.Raw]


class Place(NamedTuple):
    """A page: in which mode (`id` or `page`), and after which id or with which number ("" = none).

    `read`: how many records came before it, `total`: how many the list says that it has.
    """

    mode: str
    at: str
    read: int = 0
    total: int | None = None

    @classmethod
    def of(cls, cursor: str | None) -> Place:
        mode, at, read, total = [*(cursor or "id:").split(":"), "", ""][:4]
        return cls(mode, at, int(read or 0), int(total) if total else None)

    @property
    def cursor(self) -> str | None:
        """The cursor of this page; None where there is none."""
        total = "" if self.total is None else self.total
        return f"{self.mode}:{self.at}:{self.read}:{total}" if self.at else None

    @property
    def params(self) -> dict[str, str]:
        if self.mode == "page":
            return {"page": self.at, "orderBy": "id asc"}
        return {"pageId": self.at} if self.at else {}

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.mode == "page" else {"pagination-type": "forward-only"}

    @property
    def by_number(self) -> Place:
        """The first page, by number."""
        return Place("page", "1", 0, self.total)

    def needs_numbers(self, rows: Rows, links: str | None, asked: int) -> bool:
        """Whether the first page shows that the server ignored forward-only, and has more."""
        if self.mode != "id" or self.at:
            return False
        if link := next_link(links):
            return "pageId" not in parse_qs(urlsplit(link).query)
        expects = looks_full(len(rows), asked) or is_short(len(rows), self.total)
        return links is None and bool(rows) and expects

    def after(self, rows: Rows, links: str | None, asked: int, news: int) -> Place:
        """The place after a page with these rows, of which so many are new; without `at` = the end.

        A page that brings nothing new is the last one, whatever its link says.
        """
        read, link = self.read + news, next_link(links)
        is_full = len(rows) >= asked or (links is None and looks_full(len(rows), asked))
        has_more = news and (link or is_full or is_short(read, self.total))
        return self._replace(at=self._next(rows, link) if has_more else "", read=read)

    def following(self, rows: Rows, links: str | None) -> Place:
        """The place after a part of a page; without `at` = the end."""
        return self._replace(at=self._next(rows, next_link(links)) if rows else "")

    def _next(self, rows: Rows, link: str) -> str:
        if self.mode == "page":
            return str(int(self.at) + 1)
        named = parse_qs(urlsplit(link).query).get("pageId", [""])[0]
        following = named if named.isdecimal() else max(map(raw_id, rows), key=_number)
        return following if following.isdecimal() and following != self.at else ""


#: By number, from the first page on.
FIRST_BY_NUMBER = Place("page", "1")


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else -1


def next_link(links: str | None) -> str:
    """The address of `rel="next"`.

    An address may hold commas, so the header is not split at them.
    """
    match = re.search(r'<([^>]*)>\s*;\s*rel="?next"?', links or "")
    return match.group(1) if match else ""


def numbered_pages(
    ask: Callable[[Place], tuple[Rows, str | None]], asked: int
) -> Iterator[tuple[Rows, Place]]:
    """All pages of a list by number, each with the place after it."""
    place, ids = FIRST_BY_NUMBER, set[str]()
    while place.at:
        rows, links = ask(place)
        found = [raw_id(row) for row in rows]
        news = len({id_ for id_ in found if id_} - ids) + found.count("")
        ids |= set(found)
        place = place.after(rows, links, asked, news)
        yield rows, place
