"""ConnectWise's REST API: where it is, how it is asked, how its lists go on, what it refuses."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote

import msgspec

from integrations.adapters.connectwise.errors import (
    CODEBASE_REFUSALS,
    NULL,
    REFUSALS,
    WITH_MESSAGE,
    error_body,
    refused_answer,
)
from integrations.adapters.connectwise.guide import CLIENT_ID, NAME
from integrations.adapters.connectwise.paging import Place, numbered_pages
from integrations.adapters.connectwise.wire import CompanyInfo, Count
from integrations.psa.addresses import ServerAddress, read_address
from integrations.psa.contract import PsaPage
from integrations.psa.decoding import decode, instant, read_records
from integrations.psa.errors import PsaRefused
from integrations.psa.http import PsaHttp, PsaResponse
from integrations.psa.listing import Newest, ended_early, is_short, looks_full
from integrations.psa.questions import ask_twice, count_at_end, count_if_possible
from integrations.psa.refusals import RefusedAnswer, find_refusal

AnswerT = TypeVar("AnswerT")
KindT = TypeVar("KindT")

#: Cloud hosts by region: the API answers under `api-` only ("SSL is required" otherwise).
CLOUD_HOST: Final = re.compile(
    r"[a-z]{2,3}\.myconnectwise\.net|staging\.connectwisedev\.com", re.IGNORECASE
)
LISTS: Final[dict[str, str]] = {
    "read_companies": "/company/companies",
    "read_contacts": "/company/contacts",
    "read_agreements": "/finance/agreements",
}


def api_address(typed: str) -> ServerAddress:
    """The server of whatever was pasted, with `api-` before a cloud host."""
    address = read_address(typed)
    is_cloud = CLOUD_HOST.fullmatch(address.host)
    return replace(address, host=f"api-{address.host}") if is_cloud else address


class ConnectWiseApi:
    """Asks questions under the right codebase. `memory["base"]` is where the API was last found."""

    def __init__(
        self,
        credentials: Mapping[str, str],
        settings: Mapping[str, str],
        http: PsaHttp,
        memory: MutableMapping[str, str],
        page_size: int,
    ) -> None:
        self._address = api_address(credentials["server_url"])
        self.company_id = credentials["company_id"].strip()
        self.page_size = page_size
        keys = f"{self.company_id}+{credentials['public_key']}:{credentials['private_key']}"
        self._headers = {
            "Authorization": "Basic " + base64.b64encode(keys.encode()).decode(),
            "Accept": "application/vnd.connectwise.com+json; version=2025.1",
        }
        if settings[CLIENT_ID.name]:
            self._headers["clientId"] = settings[CLIENT_ID.name]
        self._http = http
        self._memory = memory
        if not memory.get("base", "").startswith(f"{self._address.root}/"):
            memory.pop("base", None)  # of another server: it must not get these keys

    @property
    def server(self) -> str:
        return self._address.root

    # Asking

    def rows(self, path: str, params: Mapping[str, str], right: str = "") -> list[msgspec.Raw]:
        """The rows of one page of a list."""
        return self._ask(path, params, lambda response: self.read_rows(response, right)[0])

    def table(self, path: str) -> list[msgspec.Raw]:
        """All rows of a short table, such as the statuses."""

        def ask(place: Place) -> tuple[list[msgspec.Raw], str | None]:
            params = {"pageSize": str(self.page_size), **place.params}
            return self._ask(path, params, lambda response: self.read_rows(response, ""))

        return [row for rows, _ in numbered_pages(ask, self.page_size) for row in rows]

    def read_rows(self, response: PsaResponse, right: str) -> tuple[list[msgspec.Raw], str | None]:
        """The rows of an answer and its `Link` header; `null` is written where no rows are."""
        links = response.headers.get("link")
        if response.status == 200 and response.content.strip() == b"null":
            return [], links
        return self.read(response, list[msgspec.Raw], right), links

    def read(self, response: PsaResponse, kind: type[KindT], right: str) -> KindT:
        """Decode a good answer; every other one is raised as the error that it means."""
        if response.status == 200:
            return decode(response, kind, NAME)
        has_client_id = "clientId" in self._headers
        answer = refused_answer(
            response, right=right, host=self._address.host, has_client_id=has_client_id
        )
        raise find_refusal(REFUSALS, answer)

    def ask_by_id(
        self,
        path: str,
        read: Callable[[PsaResponse], AnswerT],
        params: Mapping[str, str] | None = None,
    ) -> AnswerT | None:
        """Ask for what may not be there; None for 404.

        The cloud may answer refused keys with 404 as well, and so may the path of an old release:
        it is believed when the keys work under the same path.
        """

        def read_found(response: PsaResponse) -> AnswerT | None:
            return None if response.status == 404 else read(response)

        base = self._base()
        answer = self._ask(path, params or {}, read_found)
        if answer is not None:
            return answer
        self.prove_keys()
        return None if self._base() == base else self._ask(path, params or {}, read_found)

    def prove_keys(self) -> None:
        """Ask for one company: `system/info` may answer without looking at the keys."""
        try:
            self.rows(LISTS["read_companies"], {"pageSize": "1", "fields": "id"})
        except PsaRefused as error:
            if error.code != "permission_denied":  # then the keys were accepted
                raise

    def _ask(
        self,
        path: str,
        params: Mapping[str, str],
        read: Callable[[PsaResponse], AnswerT],
        headers: Mapping[str, str] | None = None,
    ) -> AnswerT:
        """Ask, and once more under a new codebase: the cloud's changes with each release."""

        def ask(base: str) -> AnswerT:
            all_headers = {**self._headers, **(headers or {})}
            return self._http.ask("GET", base + path, params=params, headers=all_headers, read=read)

        def has_moved(base: str, error: Exception) -> bool:
            is_about_keys = isinstance(error, PsaRefused) and error.code == "invalid_credentials"
            return is_about_keys and self.find_codebase() != base

        return ask_twice(ask, place=self._base, renewed=has_moved)

    # Lists

    def pages(
        self,
        right: str,
        params: Mapping[str, str],
        kind: type[Any],
        build: Callable[[Any], Any] = lambda raw: raw,
        cursor: str | None = None,
    ) -> Iterator[PsaPage[Any]]:
        """Page through a list, forward-only; a server that ignores that is paged by number.

        Rows move meanwhile, and a record may come twice: it is given once, in its newer version.
        """
        place = Place.of(cursor)
        if not cursor and "conditions" not in params:
            place = place._replace(total=self._count(right, params))
        newest, ids = Newest[Any](record_id, record_stamp), set[str]()
        while True:
            rows, links = self._page(right, params, place)
            if place.needs_numbers(rows, links, self.page_size):
                place = place.by_number
                continue
            records, rejected = read_records(rows, kind, build)
            found = {*map(record_id, records), *(bad.external_id for bad in rejected)} - {""}
            nameless = sum(not bad.external_id for bad in rejected)
            following = place.after(rows, links, self.page_size, len(found - ids) + nameless)
            ids |= found
            short = None if following.at else self._shortfall(right, params, following, len(rows))
            if short:
                rejected.append(ended_early(right.removeprefix("read_"), *short))
            yield PsaPage(
                tuple(newest.of(records)),
                tuple(rejected),
                following.cursor,
                place.total,
                short=short,
            )
            if not following.at:
                return
            place = following

    def _shortfall(
        self, right: str, params: Mapping[str, str], end: Place, last_page: int
    ) -> tuple[int, int] | None:
        """How many came of how many, when a list ended before its count as that is now.

        A list with conditions is counted only where its end looks like a cap of the server.
        """
        looks_cut = end.total is None and end.read and looks_full(end.read, self.page_size)
        if is_short(end.read, end.total) or (looks_cut and not last_page):
            total = count_at_end(lambda: self._count(right, params))
            if total is not None and is_short(end.read, total):
                return end.read, total
        return None

    def _page(
        self, right: str, params: Mapping[str, str], place: Place
    ) -> tuple[list[msgspec.Raw], str | None]:
        question = {"pageSize": str(self.page_size), **params, **place.params}
        return self._ask(
            LISTS[right], question, lambda answer: self.read_rows(answer, right), place.headers
        )

    def _count(self, right: str, params: Mapping[str, str]) -> int | None:
        conditions = {name: text for name, text in params.items() if name == "conditions"}
        return self.count(f"{LISTS[right]}/count", conditions, right)

    def count(self, path: str, params: Mapping[str, str], right: str) -> int | None:
        """How many rows a list has; None when that can't be read."""
        return count_if_possible(
            lambda: self._ask(path, params, lambda answer: self.read(answer, Count, right)).count
        )

    # Finding the API

    def _base(self) -> str:
        return self._memory.get("base") or self.find_codebase()

    def find_codebase(self) -> str:
        """Look up under which path the API of this company answers; needs no keys."""
        path = f"{self.server}/login/companyinfo/{quote(self.company_id, safe='')}"
        codebase = self._http.ask("GET", path, read=self._read_codebase)
        self._memory["base"] = f"{self.server}/{codebase}/apis/3.0"
        return self._memory["base"]

    def _read_codebase(self, response: PsaResponse) -> str:
        """The codebase in an answer, such as `v2025_1`."""
        codebase, shape = "", ""
        if response.status == 200 and not response.is_html:
            codebase, shape = read_company_info(response)
        elif error_body(response).message:
            shape = WITH_MESSAGE
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", codebase):
            answer = RefusedAnswer(response.status, shape=shape, host=self._address.host)
            raise find_refusal(CODEBASE_REFUSALS, answer)
        return codebase


def read_company_info(response: PsaResponse) -> tuple[str, str]:
    """The codebase ("" = none is named) and the answer's shape.

    An unknown company id is answered with 200 and `null`.
    """
    try:
        info = msgspec.json.decode(response.content, type=CompanyInfo | None)
    except msgspec.DecodeError:
        return "", ""
    return ((info.codebase or "").strip("/"), "") if info else ("", NULL)


def record_id(record: Any) -> str:
    """The id of a record, or of what it is built from."""
    return str(getattr(record, "external_id", None) or record.id)


def record_stamp(record: Any) -> datetime | None:
    """When a record was changed, or what it is built from."""
    if hasattr(record, "changed_at"):
        return cast("datetime | None", record.changed_at)
    return instant(record.info.last_updated) if record.info else None
