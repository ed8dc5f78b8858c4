"""A real HTTP server that answers by a script."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = "canary-7f3a9c"
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers each request by the next of its scripts, the last one for ever."""

    def __init__(self, *scripts: Answer) -> None:
        self.asked = 0
        scripted = list(scripts)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(handler) -> None:
                self.asked += 1
                script = scripted.pop(0) if len(scripted) > 1 else scripted[0]
                script(handler)

            def log_message(self, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/path?key={SECRET}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
