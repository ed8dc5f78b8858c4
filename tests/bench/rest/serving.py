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
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

ROOT = Path(__file__).resolve().parents[3]
HOST = "127.0.0.1"
#: How many ask at once, each on one connection that is kept.
CLIENTS = 4
WAIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Server:
    """gunicorn on a port, and how much work it and its connections to the database have done."""

    port: int
    process: psutil.Process
    database: str

    def cpu_seconds(self) -> float:
        return sum(times.user + times.system for times in map(_times_of, self._processes()))

    def _processes(self) -> Iterator[psutil.Process]:
        yield from self.process.children(recursive=True)
        for process in psutil.process_iter(["cmdline"]):
            title = " ".join(process.info["cmdline"] or ())
            if title.startswith("postgres:") and f" {self.database} " in title:
                yield process


def _times_of(process: psutil.Process) -> Any:
    return process.cpu_times()


@contextmanager
def served(env: dict[str, str]) -> Iterator[Server]:
    """The product, in two workers."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "audit_site.wsgi", "--workers=2"]
    process = subprocess.Popen(
        [*command, f"--bind={HOST}:{port}", "--log-level=error"],
        cwd=ROOT, env=env, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(port)
        database = urlsplit(env["DATABASE_URL"]).path.strip("/")
        yield Server(port, psutil.Process(process.pid), database)
    finally:
        process.terminate()
        process.wait()


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


@dataclass(frozen=True, slots=True)
class Rate:
    """Answers a second of all clients together, and the server's own work for one, in seconds."""

    answers: float
    work: float


def rate(server: Server, address: str, headers: dict[str, str], seconds: float) -> Rate:
    asked = (server.port, address, headers, seconds)
    before = server.cpu_seconds()
    with multiprocessing.get_context("fork").Pool(CLIENTS) as pool:
        counts = pool.starmap(_ask_on, [asked] * CLIENTS)
    work = server.cpu_seconds() - before
    number = sum(count for count, _ in counts)
    return Rate(sum(count / spent for count, spent in counts), work / (number + CLIENTS))


def _ask_on(port: int, address: str, headers: dict[str, str], seconds: float) -> tuple[int, float]:
    connection = http.client.HTTPConnection(HOST, port, timeout=WAIT_SECONDS)
    _answer(connection, address, headers)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        _answer(connection, address, headers)
        count += 1
    spent = time.perf_counter() - began
    connection.close()
    return count, spent


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
