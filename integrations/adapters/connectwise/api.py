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
    WORDS,
    error_body,
    is_foreign,
    refused_answer,
)
from integrations.adapters.connectwise.guide import CLIENT_ID, NAME
from integrations.adapters.connectwise.paging import Place, numbered_pages
from integrations.adapters.connectwise.wire import CompanyInfo, Count
from integrations.psa.addresses import ServerAddress, read_address
from integrations.psa.contract import PsaPage
from integrations.psa.decoding import clean, decode, instant, raw_id, read_records
from integrations.psa.errors import (
    PsaAnswerTooLarge,
    PsaBadResponse,
    PsaRefused,
    PsaUnavailable,
)
from integrations.psa.http import PsaHttp, PsaResponse
from integrations.psa.kept import Keep
from integrations.psa.listing import Newest, ended_early, is_short, looks_full
from integrations.psa.portions import raw_stub, rows_before, rows_by_number
from integrations.psa.questions import OldPlaceError, ask_twice, count_at_end, count_if_possible
from integrations.psa.refusals import RefusedAnswer, find_refusal

AnswerT = TypeVar("AnswerT")
KindT = TypeVar("KindT")

WITHOUT_VERSION: Final = "application/json"
WITH_VERSION: Final = "application/vnd.connectwise.com+json; version=2025.1"
#: How a release may refuse a version that it does not know.
VERSION_REFUSALS: Final = frozenset({400, 406, 415})
#: Where ConnectWise's cloud is: keys that were typed for it may go to any host there.
OWN_DOMAINS: Final = (".myconnectwise.net", ".connectwisedev.com")
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
        self.company_id = clean(credentials["company_id"])
        self.page_size = page_size
        names = ("public_key", "private_key")
        public, private = (clean(credentials[name]) for name in names)
        keys = f"{self.company_id}+{public}:{private}".encode(errors="replace")
        self._headers = {"Authorization": "Basic " + base64.b64encode(keys).decode()}
        if settings[CLIENT_ID.name]:
            self._headers["clientId"] = settings[CLIENT_ID.name]
        self._http = http
        self._memory = memory
        is_here = memory.get("base", "").startswith(f"{self.server}/")
        if not is_here and memory.get("moved_from") != self.server:
            for name in ("base", "moved_from"):  # of another server: it must not get these keys
                memory.pop(name, None)

    @property
    def server(self) -> str:
        return self._address.root

    # Asking

    def rows(
        self, path: str, params: Mapping[str, str], right: str = "", about: str = ""
    ) -> list[msgspec.Raw]:
        """The rows of one page of a list."""
        return self._ask(
            path, params, lambda response: self.read_rows(response, right)[0], about=about
        )

    def table(self, path: str) -> list[msgspec.Raw]:
        """All rows of a short table, such as the statuses."""

        def ask(place: Place) -> tuple[list[msgspec.Raw], str | None]:
            params = {"pageSize": str(self.page_size), **place.params}
            return self._ask(
                path, params, lambda response: self.read_rows(response, ""), keep="reading"
            )

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
        answer = refused_answer(response, right=right, has_client_id=has_client_id)
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
            is_missing = response.status == 404 and not is_foreign(response)
            return None if is_missing else read(response)

        base = self._base()
        answer = self._ask(path, params or {}, read_found)
        if answer is not None:
            return answer
        self.prove_keys(about=path)
        return None if self._base() == base else self._ask(path, params or {}, read_found)

    def try_additions(self, agreement_id: int) -> int:
        """How many additions of an agreement a page shows: none of one that was just deleted."""
        path = f"{LISTS['read_agreements']}/{agreement_id}/additions"
        shown = self.ask_by_id(
            path,
            lambda response: self.read_rows(response, "read_lines")[0],
            {"pageSize": str(self.page_size), "fields": "id"},
        )
        return len(shown or ())

    def how_many(self, right: str) -> int | None:
        """How many records a list has; None when that can't be read, or may not be."""
        return count_at_end(lambda: self._count(right, {}))

    def prove_keys(self, about: str = "") -> None:
        """Ask for one company: `system/info` may answer without looking at the keys.

        `about`: for which other question this is the proof.
        """
        try:
            self.rows(LISTS["read_companies"], {"pageSize": "1", "fields": "id"}, about=about)
        except PsaRefused as error:
            if error.code != "permission_denied":  # then the keys were accepted
                raise

    def _ask(
        self,
        path: str,
        params: Mapping[str, str],
        read: Callable[[PsaResponse], AnswerT],
        headers: Mapping[str, str] | None = None,
        keep: Keep = "part",
        about: str = "",
    ) -> AnswerT:
        """Ask, and once more where the first try can't be the last word: in another form, under
        another codebase (the cloud's changes with each release), or after a moment.
        """
        form = self._memory.get("accept", WITH_VERSION)

        def ask(base: str) -> AnswerT:
            all_headers = {**self._headers, "Accept": form, **(headers or {})}
            sure = read if form == WITHOUT_VERSION else doubt_version(read)
            return self._http.ask(
                "GET",
                base + path,
                params=params,
                headers=all_headers,
                read=sure,
                keep=keep,
                about=about,
            )

        def is_worth_asking(base: str, error: Exception) -> bool:
            nonlocal form
            if isinstance(error, VersionRefusedError):
                form = WITHOUT_VERSION
                return True
            if isinstance(error, OldPlaceError):
                return self._find_moved() != base
            if not isinstance(error, PsaRefused) or error.code != "invalid_credentials":
                return False
            if self.find_codebase() == base:
                self._http.pause()  # one refusal among good answers was seen; nobody is locked out
            return True

        answer = ask_twice(ask, place=self._base, renewed=is_worth_asking)
        if form == WITHOUT_VERSION:
            self._memory["accept"] = form
        return answer

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
        """A page; one that is too large comes in parts."""
        try:
            return self._part(right, params, place, self.page_size)
        except PsaAnswerTooLarge:
            if place.mode == "id":
                return self._parts_by_id(right, params, place)
            return self._parts_by_number(right, params, place), None

    def _part(
        self, right: str, params: Mapping[str, str], place: Place, size: int
    ) -> tuple[list[msgspec.Raw], str | None]:
        question = {**params, "pageSize": str(size), **place.params}
        return self._ask(
            LISTS[right], question, lambda answer: self.read_rows(answer, right), place.headers
        )

    def _parts_by_id(
        self, right: str, params: Mapping[str, str], place: Place
    ) -> tuple[list[msgspec.Raw], str | None]:
        rows: list[msgspec.Raw] = []
        at, size = place, self.page_size // 2
        while True:
            try:
                part, links = self._part(right, params, at, size)
            except PsaAnswerTooLarge:
                if size > 1:
                    size //= 2
                    continue
                part, links = self._stub(right, params, at)
            rows += part
            following = at.following(part, links)
            is_enough = len(rows) >= self.page_size or not part or not following.at
            if is_enough or at.needs_numbers(part, links, size):
                return rows, links
            at, size = following, min(size * 2, self.page_size - len(rows))

    def _parts_by_number(
        self, right: str, params: Mapping[str, str], place: Place
    ) -> list[msgspec.Raw]:
        def ask(size: int, number: int) -> list[msgspec.Raw]:
            return self._part(right, params, place._replace(at=str(number)), size)[0]

        def stub_of(at: int, _: PsaAnswerTooLarge) -> msgspec.Raw:
            one = place._replace(at=str(at + 1))
            return next(iter(self._stub(right, params, one)[0]), raw_stub(""))

        start, size = rows_before(place.read, int(place.at), self.page_size)
        return rows_by_number(ask, stub_of, start=start, stop=start + size)

    def _stub(
        self, right: str, params: Mapping[str, str], place: Place
    ) -> tuple[list[msgspec.Raw], str | None]:
        """What stands for a record that is too large alone: only its id is asked for."""
        rows, links = self._part(right, {**params, "fields": "id"}, place, 1)
        return [raw_stub(raw_id(row)) for row in rows], links

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
        found = self._company_info()
        if self._memory.get("moved_from") == self.server and (site := own_site(found)):
            return self._remember(site, found)
        self._memory.pop("moved_from", None)
        return self._remember(self.server, found)

    def _find_moved(self) -> str:
        """Look up where the API is when the typed address only leads to the cloud.

        The keys go there only if it is ConnectWise's own domain; else a person types it.
        """
        found = self._company_info()
        site = own_site(found)
        if not site:
            raise self._named_site(found)
        self._memory["moved_from"] = self.server
        return self._remember(site, found)

    def _named_site(self, found: CompanyInfo) -> PsaRefused:
        named, typed = read_address(found.site_url or ""), self._address.host
        is_other = named.names_a_host and named.host != typed
        where = f"ConnectWise names {named.host} instead: if you know it, type that."
        return PsaRefused(
            "not_a_psa_server",
            f"{typed} answers, but ConnectWise's API is not there.",
            where if is_other else WORDS.server_fix,
        )

    def _remember(self, root: str, found: CompanyInfo) -> str:
        self._memory["base"] = f"{root}/{codebase_of(found)}/apis/3.0"
        return self._memory["base"]

    def _company_info(self) -> CompanyInfo:
        path = f"{self.server}/login/companyinfo/{quote(self.company_id, safe='')}"
        return self._http.ask("GET", path, read=read_company_info, keep="no")


def read_company_info(response: PsaResponse) -> CompanyInfo:
    """What a server says of a company; an unknown one is answered with 200 and `null`."""
    shape = ""
    if response.status == 200:
        try:
            info = msgspec.json.decode(response.content, type=CompanyInfo | None)
            if info is not None and re.fullmatch(r"[A-Za-z0-9_.-]+", codebase_of(info)):
                return info
            shape = "" if info else NULL
        except msgspec.DecodeError:
            shape = ""
    elif error_body(response).message:
        shape = WITH_MESSAGE
    foreign = is_foreign(response)
    answer = RefusedAnswer(response.status, shape=shape, is_foreign=foreign, response=response)
    raise find_refusal(CODEBASE_REFUSALS, answer)


def codebase_of(found: CompanyInfo) -> str:
    """The codebase, such as `v2025_1`; "" = none is named."""
    return (found.codebase or "").strip("/")


def own_site(found: CompanyInfo) -> str:
    """The root of the API's address that ConnectWise names, if it is in its own domain."""
    address = api_address(found.site_url or "")
    is_own = address.host.endswith(OWN_DOMAINS) and address.names_a_host
    return f"https://{address.host}" if is_own else ""


class VersionRefusedError(OldPlaceError):
    """What an older release may answer to a question that names a version."""


def doubt_version(read: Callable[[PsaResponse], AnswerT]) -> Callable[[PsaResponse], AnswerT]:
    """Read an answer to a question that names a version: some errors may mean just that."""

    def read_doubting(response: PsaResponse) -> AnswerT:
        try:
            return read(response)
        except (PsaBadResponse, PsaUnavailable) as error:
            if response.status in VERSION_REFUSALS:
                raise VersionRefusedError(error) from None
            raise

    return read_doubting


def record_id(record: Any) -> str:
    """The id of a record, or of what it is built from."""
    return str(getattr(record, "external_id", None) or record.id)


def record_stamp(record: Any) -> datetime | None:
    """When a record was changed, or what it is built from."""
    if hasattr(record, "changed_at"):
        return cast("datetime | None", record.changed_at)
    return instant(record.info.last_updated) if record.info else None
