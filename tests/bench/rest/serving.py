"""gunicorn as it is run, and clients that ask it as fast as they can."""

from __future__ import annotations

import http.client
import multiprocessing
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
HOST = "127.0.0.1"
#: How many ask at once, each on one connection that is kept.
CLIENTS = 4
WAIT_SECONDS = 60


@contextmanager
def served(env: dict[str, str]) -> Iterator[int]:
    """The product on a port, in two workers."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "audit_site.wsgi",
        "--workers=2",
        f"--bind={HOST}:{port}",
    ]
    server = subprocess.Popen([*command, "--log-level=error"], cwd=ROOT, env=env)
    try:
        _wait_for(port)
        yield port
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        try:
            ask(port, "/healthz/", {})
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("gunicorn does not answer")


def ask(port: int, address: str, headers: dict[str, str]) -> bytes:
    """One answer, on a connection of its own."""
    connection = http.client.HTTPConnection(HOST, port, timeout=WAIT_SECONDS)
    try:
        return _answer(connection, address, headers)
    finally:
        connection.close()


def _answer(connection: Any, address: str, headers: dict[str, str]) -> bytes:
    connection.request("GET", address, headers=headers)
    answer = connection.getresponse()
    body: bytes = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{address}: {answer.status}")
    return body


def rate(port: int, address: str, headers: dict[str, str], seconds: float) -> float:
    """Answers a second, of all clients together."""
    asked = (port, address, headers, seconds)
    with multiprocessing.get_context("fork").Pool(CLIENTS) as pool:
        return sum(pool.starmap(_ask_on, [asked] * CLIENTS))


def _ask_on(port: int, address: str, headers: dict[str, str], seconds: float) -> float:
    connection = http.client.HTTPConnection(HOST, port, timeout=WAIT_SECONDS)
    _answer(connection, address, headers)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        _answer(connection, address, headers)
        count += 1
    spent = time.perf_counter() - began
    connection.close()
    return count / spent


def seconds_of(port: int, address: str, headers: dict[str, str], times: int) -> float:
    """How long one answer takes with nobody else asking: the median."""
    connection = http.client.HTTPConnection(HOST, port, timeout=WAIT_SECONDS)
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        _answer(connection, address, headers)
        spent.append(time.perf_counter() - began)
    connection.close()
    return sorted(spent)[times // 2]
