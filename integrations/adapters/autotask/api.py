"""Autotask's REST API: where a tenant lives, how entities are queried, how much is left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from integrations.adapters.autotask.errors import (
    REFUSALS,
    ZONE_REFUSALS,
    is_refusal,
    odd_character,
    refused_answer,
)
from integrations.adapters.autotask.filters import (
    Condition,
    has_any_id,
    has_id,
)
from integrations.adapters.autotask.guide import NAME, ZONE_URL
from integrations.adapters.autotask.paging import Place, RawPage, record_id, record_stamp
from integrations.adapters.autotask.wire import (
    Answer,
    Count,
    Item,
    PageDetails,
    Threshold,
    ZoneInformation,
    id_of,
)
from integrations.kinds import Right
from integrations.psa.contract import PsaPage
from integrations.psa.decoding import clean, decode, is_plain_text, read_records
from integrations.psa.errors import (
    PsaAnswerTooLarge,
    PsaBadResponse,
    PsaRateLimited,
    PsaRefused,
    PsaUnavailable,
)
from integrations.psa.http import PsaHttp, PsaResponse
from integrations.psa.kept import Keep
from integrations.psa.listing import Newest, ended_early, is_short, looks_full
from integrations.psa.portions import raw_stub
from integrations.psa.questions import OldPlaceError, ask_twice, count_at_end, count_if_possible
from integrations.psa.refusals import REPORT, find_refusal

KindT = TypeVar("KindT")

#: Credential → the header that carries it.
HEADERS: Final = {
    "tracking_identifier": "ApiIntegrationCode",
    "username": "UserName",
    "secret": "Secret",  # pragma: allowlist secret: a header
}
#: Any zone's host answers; this is the one that Autotask's own documentation names.
ZONE_INFORMATION: Final = "https://webservices.autotask.net/ATServicesRest/V1.0/zoneInformation"
ZONE_HOSTS: Final = ".autotask.net"
#: The hourly budget is one for all programs of the tenant: the last tenth is left to the others.
BUDGET_SHARE: Final = Decimal("0.9")
BUDGET_EVERY: Final = 100  # requests between two looks at it
BUDGET_WAIT_SECONDS: Final = 300.0


class AutotaskApi:
    """Asks questions in the tenant's zone.

    `memory["zone"]` is where the tenant was last found, `memory["web"]` the address of its pages.
    """

    def __init__(
        self,
        credentials: Mapping[str, str],
        settings: Mapping[str, str],
        http: PsaHttp,
        memory: MutableMapping[str, str],
        page_size: int,
    ) -> None:
        keys = {name: clean(credentials[name]) for name in HEADERS}
        self._username = keys["username"]
        self._odd = [name for name, value in keys.items() if not is_plain_text(value)]
        self._headers = {HEADERS[name]: value for name, value in keys.items()}
        self._headers["Accept"] = "application/json"
        self._override = settings[ZONE_URL.name]
        self._http = http
        self._memory = memory
        self._page_size = page_size
        self._lock = threading.Lock()
        self._answered = 0
        self._look_after = 1  # not before the keys were accepted: refusals lock the user
        self._hidden: dict[str, bool] = {}

    @property
    def web(self) -> str:
        """The address of the tenant's own pages; "" before the zone was found."""
        return self._memory.get("web", "")

    # Queries

    def query(
        self, entity: str, body: Mapping[str, Any], right: Right | None, keep: Keep = "part"
    ) -> Answer:
        return self._ask(f"{entity}/query", Answer, entity, right, body, keep)

    def get(self, path: str, kind: type[KindT], entity: str, right: Right | None = None) -> KindT:
        """An entity's description, of use to every part of a reading."""
        return self._ask(path, kind, entity, right, keep="reading")

    def one_row(self, entity: str, right: Right | None = None) -> list[msgspec.Raw]:
        """At most one row of an entity."""
        body = {"filter": [has_any_id()], "MaxRecords": 1, "IncludeFields": ["id"]}
        return self.query(entity, body, right).items or []

    def has_rows(self, entity: str, conditions: Sequence[Condition]) -> bool:
        """Whether a query for lines or units shows anything."""
        body = {"filter": list(conditions), "MaxRecords": 1, "IncludeFields": ["id"]}
        return bool(self.query(entity, body, "read_lines").items)

    def hides(self, entity: str) -> bool:
        """Whether we are shown not one row of it, of anybody: a right that is missing silently."""
        if entity not in self._hidden:
            self._hidden[entity] = not self.one_row(entity, "read_lines")
        return self._hidden[entity]

    def find_row(
        self, entity: str, external_id: str, right: Right, fields: Sequence[str]
    ) -> msgspec.Raw | None:
        """One record; None when it is not there.

        A query may hide what its asker may not see. So what it does not show is asked for by its
        id, which is refused in words then.
        """
        body = {"filter": [has_id(external_id)], "IncludeFields": list(fields)}
        rows = self.query(entity, body, right).items
        if rows:
            return rows[0]
        read_item = answer_reader(Item, right)

        def read(response: PsaResponse) -> Item:
            is_missing = response.status == 404 and not refused_answer(response).is_foreign
            return Item() if is_missing else read_item(response)

        item = self._ask_for(f"{entity}/{external_id}", read, entity).item
        return None if bytes(item) == b"null" else item

    # Lists

    def pages(
        self,
        entity: str,
        right: Right | None,
        kind: type[Any],
        build: Callable[[Any], Any] = lambda raw: raw,
        *,
        conditions: Sequence[Condition] = (),
        fields: Sequence[str] = (),
        cursor: str | None = None,
        is_counted: bool = True,
    ) -> Iterator[PsaPage[Any]]:
        """Page through what meets the conditions. A cursor is the last id of the page before."""
        total = None
        if is_counted and not cursor and not conditions:
            total = self._count(entity, right)
        newest = Newest[Any](record_id, record_stamp)
        for page in self.raw_pages(entity, right, conditions, fields, cursor, total):
            records, rejected = read_records(page.rows, kind, build)
            if page.short:
                rejected.append(ended_early(entity, *page.short))
            yield PsaPage(
                tuple(newest.of(records)),
                tuple(rejected),
                page.cursor,
                page.total,
                short=page.short,
            )

    def raw_pages(
        self,
        entity: str,
        right: Right | None,
        conditions: Sequence[Condition] = (),
        fields: Sequence[str] = (),
        cursor: str | None = None,
        total: int | None = None,
    ) -> Iterator[RawPage]:
        """Page by `id > last`, which Autotask itself recommends: rows that move lose nobody, and no
        address from an answer is followed (a page link of a POST even refuses GET, 405).
        """
        place = Place.of(cursor) if cursor else Place(total=total)
        size = self._page_size
        keep: Keep = "part" if conditions else "reading"  # a table serves every part
        while True:
            filters = [place.condition, *conditions]
            body: dict[str, Any] = {"filter": filters, "MaxRecords": size}
            if fields:
                body["IncludeFields"] = list(fields)
            try:
                answer = self.query(entity, body, right, keep)
            except PsaAnswerTooLarge:
                if size > 1:
                    size //= 2
                    continue
                answer = self._stub(entity, body, right)
            following, is_last = place.after(answer, size)
            size = min(size * 2, self._page_size)
            short = None
            if is_last:
                short = self._shortfall(entity, right, conditions, following, answer)
            yield RawPage(
                answer.items or [], None if is_last else following.cursor, place.total, short
            )
            if is_last:
                return
            place = following

    def _stub(self, entity: str, body: Mapping[str, Any], right: Right | None) -> Answer:
        """What stands for a record that is too large alone: only its id is asked for."""
        answer = self.query(entity, {**body, "IncludeFields": ["id"]}, right)
        ids = [id_of(row) for row in answer.items or []]
        stubs = [raw_stub("" if id_ is None else str(id_)) for id_ in ids]
        return Answer(items=stubs, page_details=PageDetails(request_count=1))

    def _shortfall(
        self,
        entity: str,
        right: Right | None,
        conditions: Sequence[Condition],
        end: Place,
        last_page: Answer,
    ) -> tuple[int, int] | None:
        """How many came of how many, when a list ended before its count as that is now.

        A list with conditions is counted only where its end looks like a cap of the server.
        """
        looks_cut = end.total is None and end.read and looks_full(end.read, self._page_size)
        if is_short(end.read, end.total) or (looks_cut and not last_page.items):
            total = count_at_end(lambda: self._count(entity, right, conditions))
            if total is not None and is_short(end.read, total):
                return end.read, total
        return None

    def how_many(self, entity: str, right: Right) -> int | None:
        """How many rows an entity has; None when that can't be read, or may not be."""
        return count_at_end(lambda: self._count(entity, right))

    def _count(
        self, entity: str, right: Right | None, conditions: Sequence[Condition] = ()
    ) -> int | None:
        body = {"filter": [has_any_id(), *conditions]}
        return count_if_possible(
            lambda: self._ask(f"{entity}/query/count", Count, entity, right, body).query_count
        )

    # Asking

    def _ask(
        self,
        path: str,
        kind: type[KindT],
        endpoint: str,
        right: Right | None,
        body: Mapping[str, Any] | None = None,
        keep: Keep = "part",
    ) -> KindT:
        return self._ask_for(path, answer_reader(kind, right), endpoint, body, keep)

    def _ask_for(
        self,
        path: str,
        read: Callable[[PsaResponse], KindT],
        endpoint: str,
        body: Mapping[str, Any] | None = None,
        keep: Keep = "part",
    ) -> KindT:
        """Ask, and once more in another zone: Autotask moves tenants between them.

        A 401 is never asked again in the same zone, for repeated bad keys lock the API user.
        """
        self._refuse_odd(*HEADERS)
        self._mind_the_budget()

        def ask(zone: str) -> KindT:
            with self._http.trying_keys(are_accepted=self._answered > 0):
                return self._http.ask(
                    "GET" if body is None else "POST",
                    f"{zone}/{path}",
                    read=read,
                    headers=self._headers,
                    json=body,
                    endpoint=endpoint,
                    keep=keep,
                )

        answer = ask_twice(ask, place=self._zone, renewed=self._has_moved)
        with self._lock:
            self._answered += 1
        return answer

    def _has_moved(self, zone: str, error: Exception) -> bool:
        """Whether the error is one that an old zone gives, and the tenant lives in another now; a
        page that is not found may also be of something in front, and is asked for once more.
        """
        is_redirect = isinstance(error, PsaRefused) and error.code == "not_a_psa_server"
        if not is_redirect and not isinstance(error, OldPlaceError):
            return False
        if self.find_zone() != zone:
            return True
        may_pass = isinstance(error, OldPlaceError) and isinstance(error.meant, PsaUnavailable)
        if may_pass:
            self._http.pause()
        return may_pass

    def _mind_the_budget(self) -> None:
        """Look now and then at the requests of the last hour, all programs' together."""
        with self._lock:
            if self._answered < self._look_after:
                return
            self._look_after = self._answered + BUDGET_EVERY
        try:
            found = self._http.ask(
                "GET",
                f"{self._zone()}/ThresholdInformation",
                read=answer_reader(Threshold, None),
                headers=self._headers,
                keep="no",
            )
        except (PsaRefused, PsaBadResponse, OldPlaceError):
            return  # then the question itself is refused, and says why
        allowed, used = found.external_request_threshold, found.current_timeframe_request_count
        if allowed and used is not None and used >= allowed * BUDGET_SHARE:
            with self._lock:
                self._look_after = self._answered  # look again before the next request
            raise PsaRateLimited(
                f"Autotask allows {allowed:,} requests an hour for all programs together, and "
                f"{used:,} were made.",
                "Try again when the hour has passed. If it stays so, see which other programs use "
                "up what Autotask allows.",
                retry_after=BUDGET_WAIT_SECONDS,
            )

    def _refuse_odd(self, *names: str) -> None:
        """Name the field that holds a character which no key has, and no header can carry."""
        for name in self._odd:
            if name in names:
                raise odd_character(name)

    # Finding the zone

    def _zone(self) -> str:
        return self._memory.get("zone") or self.find_zone()

    def find_zone(self) -> str:
        """Find where this API user's tenant lives; needs no keys."""
        self._refuse_odd("username")
        address = self._override or ZONE_INFORMATION
        user = {"user": self._username}
        zone = self._http.ask("GET", address, read=read_zone, params=user, keep="no")
        url, web = zone.url or "", clean(zone.web_url).rstrip("/")
        if not self._is_zone(url):
            raise PsaBadResponse("Autotask named a zone that is not Autotask's.", REPORT)
        self._memory["zone"] = f"{url.rstrip('/')}/V1.0"
        self._memory["web"] = web if web.startswith(("https://", "http://")) else ""
        return self._memory["zone"]

    def _is_zone(self, url: str) -> bool:
        """The keys go to this address: it must be Autotask's own, or the one of our settings."""
        parts = urlsplit(url)
        if self._override:
            return parts.hostname == urlsplit(self._override).hostname
        return parts.scheme == "https" and (parts.hostname or "").endswith(ZONE_HOSTS)


def answer_reader(kind: type[KindT], right: Right | None) -> Callable[[PsaResponse], KindT]:
    """A function that decodes a good answer and raises what any other means."""

    def read(response: PsaResponse) -> KindT:
        if not is_refusal(response):
            return decode(response, kind, NAME)
        raise find_refusal(REFUSALS, refused_answer(response, right or ""))

    return read


def read_zone(response: PsaResponse) -> ZoneInformation:
    """Read where a tenant lives; an unknown user is a 500 whose text names the zone."""
    if response.status == 200 and not response.is_html:
        return decode(response, ZoneInformation, NAME)
    raise find_refusal(ZONE_REFUSALS, refused_answer(response))
