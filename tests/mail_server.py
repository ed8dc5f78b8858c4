"""A mail server on this machine that refuses some addresses, and keeps what it takes."""

from __future__ import annotations

import re
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.audit_site.doctor.servers import serving


class PickyServer(socketserver.ThreadingTCPServer):
    """`answers`: what it says to RCPT TO, by address; `after_data`: to all that it was given."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.answers: dict[str, str] = {}
        self.after_data = "250 Queued"
        self.asked: list[str] = []
        self.taken: list[tuple[list[str], str]] = []


class _Session(socketserver.StreamRequestHandler):
    server: PickyServer

    def handle(self) -> None:
        self._say("220 mail.example.com")
        recipients: list[str] = []
        for line in self.rfile:
            command = line[:4].upper()
            if command == b"RCPT":
                address = re.search(rb"<(.*)>", line)[1].decode()
                self.server.asked.append(address)
                answer = self.server.answers.get(address, "250 OK")
                recipients += [address] if answer.startswith("250") else []
                self._say(answer)
            elif command == b"DATA":
                self._say("354 Go on")
                body = b"".join(iter(self.rfile.readline, b".\r\n")).decode()
                if self.server.after_data.startswith("250"):
                    self.server.taken.append((recipients, body))
                self._say(self.server.after_data)
            elif command == b"QUIT":
                self._say("221 Bye")
                return
            else:
                recipients = []
                self._say("250 OK")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def picky_server(settings: Any) -> Iterator[PickyServer]:
    """Such a server, which is the one of the settings."""
    server = PickyServer()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    with serving(server) as port:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        yield server
