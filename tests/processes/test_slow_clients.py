"""gunicorn as the documented command starts it, and clients that take their time."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from integrations.sandbox.server import SandboxServer
from tests.processes.installation import Installation, installed

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.timeout(120)]

CLIENTS = 200
HALF_A_HEAD = b"GET /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
HEAD_ALONE = (
    b"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nlogin="
)
CHUNKS_THAT_NEVER_END = (
    b"POST /api/v1/companies/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    if os.environ.get("DATABASE_URL"):
        pytest.skip("once is enough: no request reaches the database")
    with (
        SandboxServer(seed=1, companies=1) as sandbox,
        installed(tmp_path_factory.mktemp("slow"), sandbox) as made,
    ):
        made.start_web()
        yield made


@contextmanager
def held(port: int, count: int, beginning: bytes) -> Iterator[list[socket.socket]]:
    """So many clients that have sent the beginning of a request, and nothing since."""
    with ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            client.sendall(beginning)
            clients.append(client)
        yield clients


def seconds_for_health(installation: Installation) -> float:
    """Of the slowest of ten answers, each over a connection of its own."""
    slowest = 0.0
    for _ in range(10):
        began = time.monotonic()
        answer = requests.get(f"{installation.url}/healthz/", timeout=5)
        slowest = max(slowest, time.monotonic() - began)
        assert answer.json() == {"status": "ok"}
    return slowest


@pytest.mark.parametrize(
    "beginning", [b"", HALF_A_HEAD, HEAD_ALONE, CHUNKS_THAT_NEVER_END],
    ids=["nothing", "half a head", "no body", "endless chunks"],
)  # fmt: skip
def test_200_slow_clients_keep_nobody_waiting(web: Installation, beginning: bytes) -> None:
    with held(web.port, CLIENTS, beginning) as clients:
        time.sleep(0.3)
        slowest = seconds_for_health(web)

        assert slowest < 1.0
        print(f"slowest answer beside {len(clients)} slow clients: {slowest * 1000:.0f} ms")


def test_a_request_in_small_parts_is_answered(web: Installation) -> None:
    request = b"GET /healthz/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with held(web.port, 1, b"") as (client,):
        for at in range(0, len(request), 7):
            client.sendall(request[at : at + 7])
            time.sleep(0.01)

        answer = b"".join(iter(lambda: client.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b'{"status": "ok"}')


def test_requests_sent_at_once_on_one_connection_are_answered_in_turn(web: Installation) -> None:
    one = b"GET /healthz/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    last = one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with held(web.port, 1, one + one + last[:20]) as (client,):
        time.sleep(0.2)
        client.sendall(last[20:])

        answer = b"".join(iter(lambda: client.recv(4096), b""))

    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3


def test_a_body_arrives_whole(web: Installation) -> None:
    """A body in parts reaches the product, which asks for credentials and not for more bytes."""
    answer = requests.post(
        f"{web.url}/api/v1/companies/",
        data=iter([b'{"name": ', b'"Acme"', b"}"]),
        headers={"Content-Type": "application/json"},
        timeout=5,
    )

    assert answer.status_code == 401


def test_an_answer_does_not_tell_which_server_wrote_it(web: Installation) -> None:
    for path in ("/healthz/", "/accounts/login/", "/nowhere/"):
        answer = requests.get(f"{web.url}{path}", timeout=5, allow_redirects=False)
        assert "Server" not in answer.headers


def test_a_head_without_end_is_refused(web: Installation) -> None:
    with held(web.port, 1, HALF_A_HEAD) as (client,):
        client.sendall(b"x" * 70_000)

        assert client.recv(4096).startswith(b"HTTP/1.1 431 ")


def test_a_web_server_ends_beside_slow_clients(tmp_path: Path) -> None:
    if os.environ.get("DATABASE_URL"):
        pytest.skip("once is enough: no request reaches the database")
    with (
        SandboxServer(seed=1, companies=1) as sandbox,
        installed(tmp_path, sandbox) as made,
    ):
        web = made.start_web()
        with held(made.port, 20, HALF_A_HEAD):
            began = time.monotonic()
            web.terminate()

            assert web.wait(10) == 0
            assert time.monotonic() - began < 6
