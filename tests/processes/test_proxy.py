"""deploy/nginx.conf in the real nginx, before the real web server."""

from __future__ import annotations

import json
import os
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from audit_site.local.test import find_server
from integrations.sandbox.server import SandboxServer
from tests.certificates import make_certificate
from tests.databases import ROOT
from tests.processes.installation import Installation, free_port, installed, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]

NGINX = find_server("nginx")
SLOW_CLIENTS = 200


class Proxy:
    """nginx with the checked-in configuration; only its places are those of this test."""

    def __init__(self, folder: Path, made: Installation) -> None:
        self.made, self.folder = made, folder
        self.tls, self.plain = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.tls}"
        made.env |= {"PUBLIC_URL": self.url, "TRUST_PROXY": "1"}
        make_certificate(folder / "tls")
        text = (ROOT / "deploy" / "nginx.conf").read_text()
        for was, here in {
            "web:8000": f"127.0.0.1:{made.port}",
            "listen 8080": f"listen 127.0.0.1:{self.plain}",
            "listen 8443": f"listen 127.0.0.1:{self.tls}",
            "/etc/nginx/tls/": f"{folder}/tls/",
            "/tmp/nginx": f"{folder}/nginx",  # noqa: S108
            "/dev/stdout": f"{folder}/access.log",
            "/dev/stderr": f"{folder}/error.log",
        }.items():
            assert was in text
            text = text.replace(was, here)
        self.conf = folder / "nginx.conf"
        self.conf.write_text(text)
        self.process = made.start_process(
            "nginx", str(NGINX), "-c", str(self.conf), "-g", "daemon off; user root;"
        )
        wait_for(self._listens, 20, tell=(made.var / "nginx.log").read_text)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.tls)) == 0

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.ask("GET", path, **options)

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        verify = str(self.folder / "tls" / "certificate.pem")
        return requests.request(method, self.url + path, verify=verify, timeout=10, **options)

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "tls" / "certificate.pem"))


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    if NGINX is None:
        pytest.skip("needs nginx")
    if os.environ.get("DATABASE_URL"):
        pytest.skip("once is enough: no request needs a database of its own")
    folder = tmp_path_factory.mktemp("proxy")
    with SandboxServer(seed=1, companies=1) as sandbox, installed(folder, sandbox) as made:
        proxy = Proxy(folder, made)
        made.start_web()
        yield proxy


def test_pages_come_encrypted_with_all_that_belongs_to_it(proxy: Proxy) -> None:
    answer = proxy.get("/accounts/login/")

    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    cookie = answer.headers["Set-Cookie"]
    assert "Secure" in cookie
    assert answer.raw.version == 11


def test_doctor_counts_the_proxy_and_accepts_its_certificate(proxy: Proxy) -> None:
    for trusted, level, said in (
        ("1", "ok", f"{proxy.url} leads to this product, by 1 proxy."),
        ("2", "failing", "TRUST_PROXY says 2, and 1 proxy added to X-Forwarded-For: "),
    ):
        env = {"SSL_CERT_FILE": f"{proxy.folder}/tls/certificate.pem", "TRUST_PROXY": trusted}

        found = proxy.made.doctor(**env)["public_address"]

        assert (found["level"], found["says"][: len(said)]) == (level, said)


def test_http_2_is_spoken(proxy: Proxy) -> None:
    context = proxy.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", proxy.tls), timeout=5) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as client:
            assert client.selected_alpn_protocol() == "h2"


def test_people_are_sent_to_https_and_programs_refused(proxy: Proxy) -> None:
    answer = requests.get(
        f"http://127.0.0.1:{proxy.plain}/companies/?q=1", allow_redirects=False, timeout=5
    )

    assert answer.status_code == 308
    assert answer.headers["Location"] == "https://127.0.0.1/companies/?q=1"
    program = requests.get(f"http://127.0.0.1:{proxy.plain}/api/v1/me/", timeout=5)
    assert (program.status_code, program.json()["code"]) == (400, "bad_request")
    assert "Location" not in program.headers
    probe = requests.get(f"http://127.0.0.1:{proxy.plain}/healthz/", timeout=5)
    assert probe.json() == {"status": "ok"}


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
        b"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90000\r\n\r\nlogin",
    ],
    ids=["half a head", "no body"],
)
def test_200_slow_clients_never_reach_the_product(proxy: Proxy, beginning: bytes) -> None:
    context, clients = proxy.context(), []
    try:
        for _ in range(SLOW_CLIENTS):
            plain = socket.create_connection(("127.0.0.1", proxy.tls), timeout=5)
            client = context.wrap_socket(plain, server_hostname="127.0.0.1")
            client.sendall(beginning)
            clients.append(client)

        began = time.monotonic()
        assert proxy.get("/healthz/").json() == {"status": "ok"}
        assert time.monotonic() - began < 1
    finally:
        for client in clients:
            client.close()


def test_an_answer_too_large_for_the_proxy_is_json(proxy: Proxy) -> None:
    answer = proxy.ask("POST", "/api/v1/companies/", data=b"x" * 11_000_000)

    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "body_too_large"


def test_no_log_holds_a_query_or_what_opens_something_and_all_name_the_client(
    proxy: Proxy,
) -> None:
    for path in (
        "/accounts/login/?next=/canary-query/",
        "/accounts/password/reset/key/2-canary-key/",
    ):
        proxy.get(path, headers={"X-Forwarded-For": "6.6.6.6"})
    logs = proxy.folder / "access.log", proxy.made.var / "web.log"
    for log in logs:
        wait_for(lambda log=log: "/accounts/password/reset/key/" in log.read_text(), 10)

        text = log.read_text()
        assert "canary" not in text
        assert "6.6.6.6" not in text
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        assert "127.0.0.1" in {line.get("ip") for line in lines}


def test_when_the_product_is_away_programs_get_json_and_people_a_sentence(
    tmp_path: Path,
) -> None:
    if NGINX is None:
        pytest.skip("needs nginx")
    if os.environ.get("DATABASE_URL"):
        pytest.skip("once is enough")
    with SandboxServer(seed=1, companies=1) as sandbox, installed(tmp_path, sandbox) as made:
        proxy = Proxy(tmp_path, made)

        program, person = proxy.get("/api/v1/me/"), proxy.get("/companies/")

        assert (program.status_code, person.status_code) == (503, 503)
        assert program.headers["Content-Type"] == "application/problem+json"
        assert program.json()["code"] == "unavailable"
        assert program.headers["Retry-After"] == "5"
        assert person.headers["Content-Type"] == "text/plain"
        assert person.text == "audIT is not available right now. Try again in a minute.\n"
