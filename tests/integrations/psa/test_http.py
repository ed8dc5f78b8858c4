from __future__ import annotations

import gzip
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler

import pytest

from integrations.psa.errors import (
    PsaAnswerTooLarge,
    PsaBadResponse,
    PsaError,
    PsaRateLimited,
    PsaRefused,
    PsaUnavailable,
)
from integrations.psa.http import NoBudget, PsaHttp, PsaResponse, retry_after
from integrations.psa.slots import Slots
from tests.integrations.psa.scripted_server import SECRET, Answer, Server


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(*scripts: Answer) -> Server:
        servers.append(Server(*scripts))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def say(status: int = 200, body: bytes = b"[]", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.close()


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(b"[1,")
    handler.close_connection = True


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    for _ in range(100):
        try:
            handler.wfile.write(b" ")
        except OSError:
            return
        time.sleep(0.05)


def ask(url: str, **options: object) -> PsaResponse:
    with PsaHttp(allow_private_hosts=True, **options) as http:
        return http.ask(
            "GET", url, headers={"Authorization": f"Basic {SECRET}"}, read=lambda answer: answer
        )


def refusal(url: str, **options: object) -> PsaError:
    with pytest.raises(PsaError) as caught:
        ask(url, **options)
    return caught.value


def test_an_answer_comes_with_status_headers_and_decompressed_content(
    serve: Callable[..., Server],
) -> None:
    server = serve(say(201, gzip.compress(b'{"a": 1}'), Content_Encoding="gzip", X_Thing="yes"))

    answer = ask(server.url)

    assert (answer.status, answer.content, answer.headers["x-thing"]) == (201, b'{"a": 1}', "yes")


@pytest.mark.parametrize(
    "trouble", [hang_up, cut_off, say(502), say(503, b"<html>"), say(429, Retry_After="1")]
)
def test_one_passing_trouble_is_survived(serve: Callable[..., Server], trouble: Answer) -> None:
    server = serve(trouble, say(200, b"[7]"))

    answer = ask(server.url)

    assert answer.content == b"[7]"
    assert server.asked == 2


@pytest.mark.parametrize(
    ("trouble", "code"),
    [(hang_up, "psa_unavailable"), (cut_off, "psa_unavailable"), (say(502), "psa_unavailable")],
)
def test_lasting_trouble_has_its_code_after_three_tries(
    serve: Callable[..., Server], trouble: Answer, code: str
) -> None:
    server = serve(trouble)

    error = refusal(server.url)

    assert isinstance(error, PsaUnavailable)
    assert error.code == code
    assert server.asked == 3


def test_without_retry_it_is_asked_once(serve: Callable[..., Server]) -> None:
    server = serve(say(503))

    with PsaHttp(allow_private_hosts=True) as http, pytest.raises(PsaUnavailable):
        http.ask("GET", server.url, read=lambda answer: answer, retry=False)

    assert server.asked == 1


def test_a_long_wait_is_handed_to_the_caller_at_once(serve: Callable[..., Server]) -> None:
    server = serve(say(429, Retry_After="120"))

    error = refusal(server.url)

    assert isinstance(error, PsaRateLimited)
    assert error.retry_after == 120
    assert server.asked == 1


def test_without_a_named_wait_we_try_again_by_ourselves_and_then_hand_it_on(
    serve: Callable[..., Server],
) -> None:
    passing, lasting = serve(say(429), say()), serve(say(429))

    ask(passing.url)
    error = refusal(lasting.url)

    assert isinstance(error, PsaRateLimited)
    assert error.retry_after is None
    assert (passing.asked, lasting.asked) == (2, 3)


def test_a_short_wait_is_announced(serve: Callable[..., Server]) -> None:
    server = serve(say(429, Retry_After="7"), say())
    waits: list[float] = []

    ask(server.url, on_wait=lambda seconds, reason: waits.append(seconds))

    assert waits == [7]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5),
        ("-3", 0),
        ("", None),
        ("soon", None),
        ("Wed, 25 Nov 2026 12:00:40 GMT", 40),
        ("Wed, 25 Nov 2026 11:00:00 GMT", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    now = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)

    assert retry_after({"retry-after": header}, now) == seconds


def test_a_redirect_is_never_followed(serve: Callable[..., Server]) -> None:
    elsewhere = serve(say())
    server = serve(say(302, Location=elsewhere.url))

    error = refusal(server.url)

    assert error.code == "not_a_psa_server"
    assert elsewhere.asked == 0


def test_a_silent_server_times_out(serve: Callable[..., Server]) -> None:
    server = serve(lambda handler: time.sleep(1))

    error = refusal(server.url, read_seconds=0.1, attempts=1)

    assert error.code == "timeout"


def test_an_answer_that_drips_is_cut_at_the_deadline(serve: Callable[..., Server]) -> None:
    server = serve(drip)
    began = time.monotonic()

    with PsaHttp(allow_private_hosts=True, deadline_seconds=0.3) as http:
        with pytest.raises(PsaUnavailable) as caught:
            http.ask("GET", server.url, read=lambda answer: answer, retry=False)

    assert caught.value.code == "timeout"
    assert time.monotonic() - began < 3


def test_a_bomb_is_refused_by_its_decompressed_size(serve: Callable[..., Server]) -> None:
    bomb = gzip.compress(b"0" * 30_000_000)
    server = serve(say(200, bomb, Content_Encoding="gzip"))

    error = refusal(server.url)

    assert isinstance(error, PsaBadResponse)
    assert "20 MB" in error.message


def test_nobody_listening_is_connection_refused(serve: Callable[..., Server]) -> None:
    server = serve(say())
    server.close()

    assert refusal(server.url).code == "connection_refused"


def test_an_unknown_name_is_a_dns_failure(socket_enabled: None) -> None:
    assert refusal("http://psa.invalid/", attempts=1).code == "dns_failure"


def test_a_server_without_tls_is_a_tls_error(serve: Callable[..., Server]) -> None:
    server = serve(say())

    assert refusal(server.url.replace("http:", "https:"), attempts=1).code == "tls_error"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "https://127.0.0.1/",
        "https://10.0.0.8/",
        "https://169.254.169.254/latest/",
        "https://[::1]/",
        "http://example.com/",
        "https://example.com:22/",
    ],
)
def test_private_addresses_plain_http_and_odd_ports_are_blocked(
    url: str, socket_enabled: None
) -> None:
    with PsaHttp() as http, pytest.raises(PsaRefused) as caught:
        http.ask("GET", url, read=lambda answer: answer)

    assert caught.value.code == "blocked_address"


@pytest.mark.parametrize(
    ("url", "message", "fix"),
    [
        (
            "https://psa.example:8040/",
            "We don't connect to port 8040 of psa.example.",
            "Allowed are the ports 443, 8443.",
        ),
        ("http://psa.example/", "We don't connect to psa.example by plain http.", "https://"),
        ("https://127.0.0.1/", "127.0.0.1 is not an address", "private networks are refused"),
    ],
)
def test_what_is_blocked_is_named_for_what_it_is(
    url: str, message: str, fix: str, socket_enabled: None
) -> None:
    with PsaHttp(allowed_ports=[8443, 443]) as http, pytest.raises(PsaRefused) as caught:
        http.ask("GET", url, read=lambda answer: answer)

    assert caught.value.code == "blocked_address"
    assert message in caught.value.message
    assert fix in caught.value.fix
    assert ("PSA_ALLOWED_PORTS" in caught.value.fix) is ("port" in message)


def test_a_port_that_is_allowed_is_asked() -> None:
    with PsaHttp(allowed_ports=[8040], attempts=1) as http, pytest.raises(PsaError) as caught:
        http.ask("GET", "https://127.0.0.1:8040/", read=lambda answer: answer)

    assert "port" not in caught.value.message  # its address is looked at next


def test_a_web_page_of_a_server_that_is_down_may_be_one_in_front_of_it(
    serve: Callable[..., Server],
) -> None:
    page = serve(say(503, b"<html>Blocked</html>"))
    plain = serve(say(503, b"{}"))

    error = refusal(page.url, attempts=1, our_addresses=["203.0.113.7"])

    assert error.code == "psa_unavailable"
    assert error.fix.endswith("allow our addresses 203.0.113.7.")
    assert "in front" not in refusal(plain.url, attempts=1).fix


def test_what_is_too_large_shows_its_beginning(serve: Callable[..., Server]) -> None:
    server = serve(say(200, b"[" + b"1," * 200_000 + b"1]"))

    error = refusal(server.url, most_bytes=100_000)

    assert isinstance(error, PsaAnswerTooLarge)
    assert error.beginning.startswith(b"[1,1,")
    assert len(error.beginning) == 64 * 1024
    assert server.asked == 1


@pytest.mark.parametrize("odd", ["\u2026", "a\nb", "\u0430"])
def test_a_header_that_can_not_be_sent_is_about_the_keys(
    serve: Callable[..., Server], odd: str
) -> None:
    server = serve(say())

    with PsaHttp(allow_private_hosts=True) as http, pytest.raises(PsaRefused) as caught:
        http.ask("GET", server.url, headers={"Key": odd}, read=lambda answer: answer)

    assert caught.value.code == "invalid_credentials"
    assert server.asked == 0


@pytest.mark.parametrize("url", ["", "ftp://x/", "https://", "not an address", "https://[::1/"])
def test_an_address_that_is_none_is_said_to_be_unreadable(url: str) -> None:
    with PsaHttp() as http, pytest.raises(PsaRefused) as caught:
        http.ask("GET", url, read=lambda answer: answer)

    assert caught.value.code == "not_a_psa_server"


@pytest.mark.parametrize("trouble", [hang_up, cut_off, say(429, Retry_After="99"), say(302)])
def test_no_secret_is_in_an_error_or_a_log_line(
    serve: Callable[..., Server], trouble: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(trouble)

    error = refusal(server.url)

    said = (
        "".join(traceback.format_exception(error, chain=True)) + repr(error) + str(error.__dict__)
    )
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith("urllib3")]
    assert SECRET not in said
    assert SECRET not in "".join(ours)


def test_at_most_so_many_requests_are_under_way_at_once(serve: Callable[..., Server]) -> None:
    under_way, most, lock = [0], [0], threading.Lock()

    def count(handler: BaseHTTPRequestHandler) -> None:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.03)
        with lock:
            under_way[0] -= 1
        say()(handler)

    server = serve(count)
    with PsaHttp(allow_private_hosts=True, parallel=3) as http:
        threads = [
            threading.Thread(target=http.ask, args=("GET", server.url), kwargs={"read": bool})
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert most[0] == 3
    assert http.requests_made == 12


class Followed(NoBudget):
    """A budget that takes two at once until something was answered, and notes what it is told."""

    def __init__(self) -> None:
        self.limit, self.told = 2, list[object]()

    def at_once(self) -> int:
        return self.limit

    def answered(self, kind: str, seconds: float) -> None:
        self.told.append(kind)
        self.limit = 5

    def slow_down(self, seconds: float | None, *, teaches: bool = True) -> None:
        self.told.append((seconds, teaches))


def test_the_budget_is_told_of_answers_by_kind_and_of_what_was_refused(
    serve: Callable[..., Server],
) -> None:
    server = serve(say(), say(429, Retry_After="0"), say(503), say(400))
    budget = Followed()

    with PsaHttp(allow_private_hosts=True, budget=budget, first_pause=0) as http:
        for path in ("/agreements/81/additions", "/agreements/9"):
            http.ask("GET", server.url.replace("/path", path), read=bool)

    assert budget.told == [
        "GET /agreements/#/additions",
        (0.0, True),
        (None, False),
        "GET /agreements/#",
    ]


def test_who_waits_for_a_slot_follows_the_budget() -> None:
    limit, inside, most, lock = [1], [0], [0], threading.Lock()
    slots, release = Slots(lambda: limit[0]), threading.Semaphore(0)

    def work() -> None:
        with slots:
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            release.acquire()
            with lock:
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: inside[0] == 1)
    limit[0] = 3
    release.release()
    until(lambda: inside[0] == 2)
    release.release()
    until(lambda: inside[0] == 3)
    limit[0] = 1
    release.release(8)
    for thread in threads:
        thread.join(timeout=10)

    assert (most[0], inside[0]) == (3, 0)


def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")
