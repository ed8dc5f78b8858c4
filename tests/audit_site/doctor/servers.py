"""Servers on this machine that doctor is sent to: the product's own, and one for mail."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from audit_site.wsgi import application


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    """Serve until the block ends; its port."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def behind(proxies: int, proto: str = "https") -> Callable[..., Any]:
    """The product as it is asked by the last of so many proxies, each of which adds an address."""

    def asked(environ: dict[str, Any], start_response: Any) -> Any:
        if proxies:
            came = [environ.get("HTTP_X_FORWARDED_FOR", "")]
            added = [f"198.51.100.{number}" for number in range(proxies)]
            environ["HTTP_X_FORWARDED_FOR"] = ", ".join([*filter(None, came), *added])
            environ["HTTP_X_FORWARDED_PROTO"] = proto
        return application(environ, start_response)

    return asked


def something_else(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<h1>It works!</h1>"]


@contextmanager
def web(app: Callable[..., Any], tls: Path | None = None) -> Iterator[str]:
    """`app` at an address of this machine; with a folder of a certificate, by https."""
    server: WSGIServer = make_server("127.0.0.1", 0, app, handler_class=Quiet)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "certificate.pem", tls / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # who trusts no certificate hangs up
    with serving(server) as port:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"


class MailServer(socketserver.StreamRequestHandler):
    """Says as much of SMTP as a sign-in needs; one password is right."""

    def handle(self) -> None:
        self._say("220 mail.example.com")
        for line in self.rfile:
            command = line.split()[0].upper() if line.strip() else b""
            if command == b"EHLO":
                self._say("250-mail.example.com", "250 AUTH PLAIN")
            elif command == b"AUTH":
                is_right = line.split()[-1] == b"AG1lAHJpZ2h0"  # me, right
                self._say("235 Welcome" if is_right else "535 Who are you?")
            elif command == b"QUIT":
                self._say("221 Bye")
                return
            else:
                self._say("502 Not here")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


@contextmanager
def mail_server() -> Iterator[int]:
    with serving(socketserver.TCPServer(("127.0.0.1", 0), MailServer)) as port:
        yield port
