"""BMS's REST API: where it is, how it is asked with a token, and how its lists go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from integrations.adapters.kaseya_bms.errors import (
    REFUSALS,
    SERVER_REFUSALS,
    WORDS,
    envelope_of,
    refused_answer,
)
from integrations.adapters.kaseya_bms.guide import API_URL, NAME
from integrations.adapters.kaseya_bms.paging import Place
from integrations.adapters.kaseya_bms.session import Session, Token
from integrations.adapters.kaseya_bms.wire import (
    Envelope,
    ids_of,
    record_id,
    record_stamp,
    rows_of,
)
from integrations.kinds import Right
from integrations.psa.addresses import ServerAddress, read_address
from integrations.psa.contract import PsaPage, RejectedRecord
from integrations.psa.decoding import decode_lowered, read_lowered
from integrations.psa.errors import PsaAnswerTooLarge
from integrations.psa.http import PsaHttp, PsaResponse
from integrations.psa.kept import Keep
from integrations.psa.listing import Newest, ended_early
from integrations.psa.portions import first_id, rows_before, rows_by_number, stub
from integrations.psa.questions import OldPlaceError, ask_twice
from integrations.psa.refusals import Refusal, find_refusal

AnswerT = TypeVar("AnswerT")

LISTS: Final[dict[Right, str]] = {
    "read_companies": "/v2/crm/accounts/summary",
    "read_contacts": "/v2/crm/contacts/summary",
    "read_agreements": "/v2/finance/contracts/summary",
}
WHO_WE_ARE: Final = "/v2/security/userinfo"
STAMPS: Final = ("ModifiedOn", "CreatedOn")
LIST_MOVED: Final = RejectedRecord("", "invalid_record", "The list changed while it was read.")


def api_address(typed: str) -> ServerAddress:
    """`api.` and the host of whatever was pasted."""
    address = read_address(typed)
    host = address.host.removeprefix("www.")
    return replace(address, host=host if host.startswith("api.") else f"api.{host}")


class BmsApi:
    """Asks questions with a token, and once more with a new one."""

    def __init__(
        self,
        credentials: Mapping[str, str],
        settings: Mapping[str, str],
        http: PsaHttp,
        page_size: int,
    ) -> None:
        override = settings[API_URL.name].rstrip("/")
        self._root = override or api_address(credentials["server_url"]).root
        self._http = http
        self._session = Session(self._root, credentials, http, self.prove_server)
        self._page_size = page_size

    # Asking

    def prove_server(self) -> None:
        """Ask who we are, without a token: a BMS server refuses that in its own words."""

        def read(response: PsaResponse) -> None:
            is_other = response.status >= 500 or response.status == 404 or response.is_html
            envelope = envelope_of(response)
            is_known = envelope is not None and envelope.is_one
            if not is_other and (response.status == 401 or is_known):
                return
            raise find_refusal(SERVER_REFUSALS, refused_answer(response))

        self._http.ask("GET", self._root + WHO_WE_ARE, read=read, keep="no")

    def get(
        self, path: str, params: Mapping[str, str], right: Right | None, keep: Keep = "part"
    ) -> Envelope:
        """The envelope of a good answer; any other is raised as what it means."""

        def read(response: PsaResponse) -> Envelope:
            self.refuse_status(response, right)
            envelope = decode_lowered(response, Envelope, NAME)
            if not envelope.success:
                raise self.meaning_of(response, right)
            return envelope

        return self.ask(path, params, read, keep)

    def ask(
        self,
        path: str,
        params: Mapping[str, str],
        read: Callable[[PsaResponse], AnswerT],
        keep: Keep = "part",
    ) -> AnswerT:
        """Ask with a token, and once more with a new one: it may end in the middle of a sync."""

        def ask(token: Token) -> AnswerT:
            headers = {"Authorization": f"Bearer {token.access}", "Accept": "application/json"}
            return self._http.ask(
                "GET", self._root + path, params=params, headers=headers, read=read, keep=keep
            )

        def is_renewed(token: Token, error: Exception) -> bool:
            if not isinstance(error, OldPlaceError):
                return False
            self._session.renew(token)
            return True

        return ask_twice(ask, place=self._session.token, renewed=is_renewed)

    def refuse_status(self, response: PsaResponse, right: Right | None) -> None:
        """Raise what any status but a good one means."""
        if not 200 <= response.status < 300:
            raise self.meaning_of(response, right)

    def meaning_of(self, response: PsaResponse, right: Right | None) -> Refusal:
        """The error that an answer means, also a 200 that says `success: false`."""
        return find_refusal(REFUSALS, refused_answer(response, right=right or ""))

    # Lists

    def listing(
        self,
        right: Right,
        kind: type[Any],
        build: Callable[[Any], Any],
        cursor: str | None,
        since: datetime | None,
    ) -> Iterator[PsaPage[Any]]:
        """A whole list; or, since a moment, what was modified and then what was created.

        What was never modified has no stamp of it, and no question asks for either of two. Then a
        cursor is the stamp's name, or `stamp|page`.
        """
        if since is None:
            yield from self.pages(right, {}, kind, build, cursor)
            return
        moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")  # UTC, as far as is known
        current, _, place = (cursor or STAMPS[0]).partition("|")
        for stamp in STAMPS[STAMPS.index(current) :]:
            following = next(iter(STAMPS[STAMPS.index(stamp) + 1 :]), None)
            params = {f"Filter.{stamp}From": moment}
            for page in self.pages(right, params, kind, build, place or None):
                onward = f"{stamp}|{page.cursor}" if page.cursor else following
                yield replace(page, cursor=onward, total=None)
            place = ""

    def pages(
        self,
        right: Right,
        params: Mapping[str, str],
        kind: type[Any],
        build: Callable[[Any], Any] = lambda raw: raw,
        cursor: str | None = None,
    ) -> Iterator[PsaPage[Any]]:
        """Page by number, and notice a list that moves meanwhile (see paging.py)."""
        place = Place.of(cursor)
        seen: set[Any] = set()
        newest = Newest[Any](record_id, record_stamp)
        while True:
            envelope = self._page(right, params, place)
            rows = rows_of(envelope)
            new_ids = set(ids_of(rows)) - seen
            nameless = len(rows) - len(ids_of(rows))
            place = place.noting(ids_of(rows), envelope.total_records, seen)
            seen |= new_ids
            following, end = place.after(len(new_ids) + nameless)
            records, rejected = read_lowered(rows, kind, build)
            rejected += [LIST_MOVED] if end.has_moved else []
            rejected += [ended_early(WORDS.kind_of(right), *end.short)] if end.short else []
            yield PsaPage(
                tuple(newest.of(records)),
                tuple(rejected),
                following.text() if following else None,
                envelope.total_records,
                again=place.round > 1,
                short=end.short,
            )
            if following is None:
                return
            if following.round > place.round:
                seen.clear()
                newest.forget()
            place = following

    def _page(self, right: Right, params: Mapping[str, str], place: Place) -> Envelope:
        """A page; one that is too large comes in parts."""
        try:
            return self._part(right, params, self._page_size, place.page)
        except PsaAnswerTooLarge:
            total: int | None = None

        def ask(size: int, number: int) -> list[Any]:
            nonlocal total
            part = self._part(right, params, size, number)
            total = part.total_records
            return rows_of(part)

        start, size = rows_before(place.known, place.page, self._page_size)
        rows = rows_by_number(
            ask, lambda _, error: stub(first_id(error)), start=start, stop=start + size
        )
        return Envelope(success=True, result=rows, total_records=total)

    def _part(self, right: Right, params: Mapping[str, str], size: int, number: int) -> Envelope:
        numbers = {"PageSize": str(size), "PageNumber": str(number)}
        keep: Keep = "part" if params else "reading"  # a whole list serves every part
        return self.get(LISTS[right], {**numbers, **params}, right, keep)

    def first_rows(self, right: Right, most: int) -> list[Any]:
        """The first rows of a list."""
        return rows_of(self._part(right, {}, most, 1))

    def how_many(self, right: Right) -> tuple[bool, int | None]:
        """Whether a list shows anything, and how much it says that there is."""
        page = self._part(right, {}, 1, 1)
        return bool(rows_of(page)), page.total_records
