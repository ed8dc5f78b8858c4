"""The one place that speaks HTTP to PSAs: timeouts, retries, size cap, address guard, redaction.

Nothing that leaves this module (error, log line) holds a query, a header, a body or a credential.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar
from urllib.parse import urlsplit

import requests
import stamina
import urllib3
from requests.adapters import HTTPAdapter
from requests_hardened.ip_filter_adapter import IPFilterAdapter

from integrations.psa.errors import (
    ASK_LATER,
    PsaBadResponse,
    PsaError,
    PsaRateLimited,
    PsaRefused,
    PsaUnavailable,
)
from integrations.psa.failures import (
    blocked_port,
    explain,
    plain_http,
    timed_out,
    too_large,
    unreadable_address,
)
from integrations.psa.kept import AnswerKeeper, Keep, KeepsNothing, KeptAnswer, question_of
from integrations.psa.key_tries import KeyTries, NobodyIsLocked
from integrations.psa.slots import Slots

AnswerT = TypeVar("AnswerT")

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 30.0
#: A whole answer must be here by then, however steadily it drips.
DEADLINE_SECONDS: Final = 90.0
#: Of the decompressed answer.
MOST_BYTES: Final = 20 * 1024 * 1024
#: So much of an answer that is too large is kept, to see whose it is.
BEGINNING_BYTES: Final = 64 * 1024
#: A wait up to this long is waited out in place; a longer one is the caller's to arrange.
LONGEST_WAIT_SECONDS: Final = 20.0
#: A PSA that names a later time than this is asked again after it all the same.
LONGEST_RETRY_AFTER: Final = 6 * 3600.0
PUBLIC_PORTS: Final = frozenset({443, 444, 4443, 8443, 9443})
RETRIED_STATUSES: Final = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class PsaResponse:
    """An answer. `headers` has lower-case names; `content` is decompressed.

    `host` answered; `our_addresses` are the ones from which we ask, as far as they are known.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    host: str = ""
    our_addresses: tuple[str, ...] = ()

    @property
    def is_html(self) -> bool:
        start = self.content[:200].lstrip().lower()
        return start.startswith((b"<!doctype", b"<html")) or "html" in self.headers.get(
            "content-type", ""
        )


class RequestBudget(Protocol):
    """What all workers together may ask of one account."""

    def turn(self, endpoint: str = "") -> AbstractContextManager[None]:
        """Entered around each request; waits until it may be sent."""
        ...

    def at_once(self) -> int:
        """How many may be under way, as far as is known here."""
        ...

    def answered(self, kind: str, seconds: float) -> None:
        """A question of a kind was answered after so long."""
        ...

    def slow_down(self, seconds: float | None, *, teaches: bool = True) -> None:
        """The PSA refused, and when to come again if it says so. `teaches`: it said "too many
        requests".
        """
        ...


class NoBudget:
    """Every request is anybody's turn."""

    def turn(self, endpoint: str = "") -> AbstractContextManager[None]:
        return nullcontext()

    def at_once(self) -> int:
        return sys.maxsize

    def answered(self, kind: str, seconds: float) -> None:
        return

    def slow_down(self, seconds: float | None, *, teaches: bool = True) -> None:
        return


class PsaHttp:
    """A client for one piece of work; usable from several threads, at most `parallel` at once, and
    no more than the budget says.

    `on_wait(seconds, reason)` is called before a wait of a second or more, `on_request()` before
    each request, `on_refused(method, path, code, seconds)` after each that went wrong, with the
    path alone of its address. `attempts` counts the first try. `budget` is kept to together with
    all other workers. Unless private hosts are allowed, only `allowed_ports` are asked.
    `our_addresses` are those that a firewall must let in. What is in `kept` is not asked again.
    `key_tries` guards against too many wrong keys.
    Counts the requests it made in `requests_made`.
    """

    def __init__(  # noqa: PLR0913  all by name, and each has its default
        self,
        *,
        allow_private_hosts: bool = False,
        parallel: int = 4,
        attempts: int = 4,
        read_seconds: float = READ_SECONDS,
        deadline_seconds: float = DEADLINE_SECONDS,
        most_bytes: int = MOST_BYTES,
        first_pause: float = 0.5,
        allowed_ports: Collection[int] = PUBLIC_PORTS,
        our_addresses: Sequence[str] = (),
        on_wait: Callable[[float, str], None] | None = None,
        on_request: Callable[[], None] | None = None,
        on_refused: Callable[[str, str, str, float], None] | None = None,
        budget: RequestBudget | None = None,
        kept: AnswerKeeper | None = None,
        key_tries: KeyTries | None = None,
    ) -> None:
        self._allow_private_hosts = allow_private_hosts
        self._attempts = attempts
        self._read_seconds = read_seconds
        self._deadline_seconds = deadline_seconds
        self._most_bytes = most_bytes
        self._allowed_ports = frozenset(allowed_ports)
        self._our_addresses = tuple(our_addresses)
        self._first_pause = first_pause
        self._on_wait = on_wait
        self._on_request = on_request
        self._on_refused = on_refused
        self._budget = budget or NoBudget()
        self._kept = kept or KeepsNothing()
        self._key_tries = key_tries or NobodyIsLocked()
        self._slots = Slots(lambda: min(parallel, self._budget.at_once()))
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._lock = threading.Lock()
        self.parallel = parallel
        self.requests_made = 0

    def __repr__(self) -> str:
        return f"<PsaHttp {self.requests_made} requests>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            session.close()

    def trying_keys(self, *, are_accepted: bool = False) -> AbstractContextManager[None]:
        """Around each `ask` whose answer says whether keys are right, where that locks users.

        `are_accepted`: an earlier one has said so.
        """
        return self._key_tries.trying(are_accepted=are_accepted)

    def ask(  # noqa: PLR0913  all but the question by name, and each has its default
        self,
        method: str,
        url: str,
        *,
        read: Callable[[PsaResponse], AnswerT],
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        retry: bool = True,
        endpoint: str = "",
        keep: Keep = "part",
        about: str = "",
    ) -> AnswerT:
        """Send a request and return what `read` makes of the answer.

        `read` sees every status but 3xx, 429, 502, 503 and 504; those, and all that goes wrong on
        the way, are errors of `integrations.psa.errors`. With `retry` (only for what may be asked
        twice) passing troubles are tried again, also those that `read` raises. While a reading
        lasts, its answer is kept as `keep` says; `about` parts it from the same question that is
        asked for another reason.
        """
        self._check_address(url)
        asked = [method, url, params or {}, json, about]
        question = question_of(asked) if retry and keep != "no" else ""
        if known := self._kept.known(question) if question else None:
            return read(self._again(known, url))
        what = {"params": params, "headers": headers, "json": json, "data": form}
        attempts = self._attempts if retry else 1
        for attempt in stamina.retry_context(
            on=self._pause_before_retry,
            attempts=attempts,
            timeout=None,
            wait_initial=self._first_pause,
            wait_max=8,
            wait_jitter=self._first_pause,
        ):
            with attempt, self._slots, self._budget.turn(endpoint):
                began = time.monotonic()
                try:
                    response = self._send(method, url, what)
                    seconds = time.monotonic() - began
                    found = self._noted(response, read, question, keep)
                except PsaError as error:
                    self._note_refusal(error, method, url, time.monotonic() - began)
                    raise
                self._budget.answered(kind_of(method, url), seconds)
                return found
        raise AssertionError("stamina either returns or raises")

    def _note_refusal(self, error: PsaError, method: str, url: str, seconds: float) -> None:
        if isinstance(error, PsaRateLimited):
            self._budget.slow_down(error.retry_after)
        elif error.code == "psa_unavailable":
            self._budget.slow_down(None, teaches=False)
        if self._on_refused:
            self._on_refused(method, urlsplit(url).path, error.code, seconds)

    def _again(self, known: KeptAnswer, url: str) -> PsaResponse:
        """A kept answer, as it was when it came."""
        headers = {"content-type": known.content_type}
        if known.link is not None:
            headers["link"] = known.link
        host = urlsplit(url).hostname or ""
        return PsaResponse(known.status, headers, known.content, host, self._our_addresses)

    def _noted(
        self,
        response: PsaResponse,
        read: Callable[[PsaResponse], AnswerT],
        question: str,
        keep: Keep,
    ) -> AnswerT:
        """Read an answer, and keep it if it is good or refuses a right."""
        try:
            found = read(response)
        except PsaRefused as error:
            if question and error.code == "permission_denied":
                self._kept.note(question, _to_keep(response), keep)
            raise
        if question:
            self._kept.note(question, _to_keep(response), keep)
        return found

    def _pause_before_retry(self, error: Exception) -> bool | float:
        """Say whether to try again: yes by our own back-off, or after the seconds the PSA named."""
        if isinstance(error, PsaRateLimited):
            if error.retry_after is None:
                return True
            if error.retry_after > LONGEST_WAIT_SECONDS:
                return False
            if self._on_wait and error.retry_after >= 1:
                self._on_wait(error.retry_after, error.message)
            return error.retry_after
        if isinstance(error, PsaBadResponse):
            return error.may_pass
        return isinstance(error, PsaUnavailable) and error.code != "dns_failure"

    def pause(self) -> None:
        """Wait a moment before something is asked again that was refused."""
        time.sleep(self._first_pause * 2)

    def _check_address(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise unreadable_address() from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise unreadable_address()
        if self._allow_private_hosts:
            return
        if parts.scheme != "https":
            raise plain_http(parts.hostname)
        if (port or 443) not in self._allowed_ports:
            raise blocked_port(parts.hostname, port or 443, self._allowed_ports)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False
            if self._allow_private_hosts:
                session.mount("https://", HTTPAdapter())
            else:
                session.mount("https://", IPFilterAdapter(is_https_proto=True))
                session.mount("http://", IPFilterAdapter(is_https_proto=False))
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session

    def _send(self, method: str, url: str, what: Mapping[str, Any]) -> PsaResponse:
        host = urlsplit(url).hostname or ""
        with self._lock:
            self.requests_made += 1
            if self._on_request:
                self._on_request()
        try:
            with self._session().request(
                method,
                url,
                timeout=(CONNECT_SECONDS, self._read_seconds),
                allow_redirects=False,
                stream=True,
                **what,
            ) as answer:
                content = self._read(answer, host)
        except requests.RequestException as error:
            raise explain(error, host) from None
        except (urllib3.exceptions.HTTPError, OSError, UnicodeError) as error:
            raise explain(error, host) from None
        headers = {name.lower(): value for name, value in answer.headers.items()}
        response = PsaResponse(answer.status_code, headers, content, host, self._our_addresses)
        _refuse_unusable(response, host)
        return response

    def _read(self, answer: requests.Response, host: str) -> bytes:
        until = time.monotonic() + self._deadline_seconds
        parts: list[bytes] = []
        size = 0
        while part := answer.raw.read1(65536, decode_content=True):
            size += len(part)
            parts.append(part)
            if size > self._most_bytes:
                raise too_large(host, self._most_bytes, b"".join(parts)[:BEGINNING_BYTES])
            if time.monotonic() > until:
                raise timed_out(host)
        return b"".join(parts)


def kind_of(method: str, url: str) -> str:
    """What a question has in common with others that take about as long: all but the numbers."""
    return f"{method} {re.sub(r'[0-9]+', '#', urlsplit(url).path)}"


def _to_keep(response: PsaResponse) -> KeptAnswer:
    headers = response.headers
    link, kind = headers.get("link"), headers.get("content-type", "")
    return KeptAnswer(response.status, link, kind, response.content, datetime.now(UTC))


def _refuse_unusable(response: PsaResponse, host: str) -> None:
    status = response.status
    if status == 429:
        raise PsaRateLimited(
            f"{host} says: too many requests.",
            ASK_LATER,
            retry_after=retry_after(response.headers),
        )
    if 300 <= status < 400:
        raise PsaRefused(
            "not_a_psa_server",
            f"{host} sends us on to another address, which we don't follow.",
            "Type the address of the PSA's own server; open it in a browser to see where it leads.",
        )
    if status in RETRIED_STATUSES:
        in_front = f" {let_us_in(response)}" if response.is_html else ""
        raise PsaUnavailable(
            "psa_unavailable",
            f"{host} is not available right now (status {status}).",
            "Try again in a few minutes; the PSA's status page says whether there is maintenance."
            + in_front,
        )


def let_us_in(response: PsaResponse) -> str:
    """What to do about something in front of a server that does not let us in."""
    ours = " and ".join(response.our_addresses)
    what = f"our addresses {ours}" if ours else "the addresses from which audIT asks"
    return (
        f"If {response.host} works in your browser, something in front of it blocks us: let the "
        f"ones who run its firewall, proxy or allow-list allow {what}."
    )


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Read `Retry-After`, seconds or an HTTP date; None when it is missing or unreadable."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        return min(max(float(int(text)), 0.0), LONGEST_RETRY_AFTER)
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
