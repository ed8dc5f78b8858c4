"""gunicorn's threads, kept for whole requests: a slow client costs a socket and no thread.

gunicorn's own threaded worker gives each new connection to a thread, which then waits for the
client: as many slow clients as there are threads stop it. Here the main loop gathers what clients
send, and a request goes to a thread once it is there, head and body.
"""

from __future__ import annotations

import errno
import re
import selectors
import socket
import time
from functools import partial
from typing import Any, Final

from gunicorn import http
from gunicorn.http import wsgi
from gunicorn.workers.gthread import TConn, ThreadWorker

#: A request that is not there by then is given up and its connection closed.
REQUEST_SECONDS: Final = 30.0
#: What a stopping worker still waits for requests that have begun to arrive.
STOPPING_SECONDS: Final = 2.0
#: For one read or write of a thread: bodies larger than `MOST_BODY_BYTES`, and answers.
THREAD_SECONDS: Final = 30.0
MOST_HEAD_BYTES: Final = 64 * 1024
#: A larger body is read by the thread: the product takes none of this size in everyday use.
MOST_BODY_BYTES: Final = 1024 * 1024
#: The last chunk, with trailers, is looked for in so much of what has come.
TAIL_BYTES: Final = 1024
READ_BYTES: Final = 64 * 1024
PASSING: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED, errno.EINTR})

END_OF_HEAD: Final = b"\r\n\r\n"
LENGTH: Final = re.compile(rb"^content-length:[ \t]*([0-9]{1,18})[ \t]*\r$", re.I | re.M)
CHUNKED: Final = re.compile(rb"^transfer-encoding:.*chunked", re.I | re.M)
LAST_CHUNK: Final = re.compile(rb"\r\n0+(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n\Z")
HEAD_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Connection: close\r\nContent-Length: 0\r\n\r\n"
)


class HeadTooLarge(Exception):
    """No end of the head within MOST_HEAD_BYTES."""


class Gathered:
    """What a client has sent of its next request. A byte that comes costs the same at any size."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._wanted: int | None = None  # bytes in all, None = the head is not whole yet
        self._chunked = False

    def add(self, part: bytes) -> None:
        """HeadTooLarge: no end of the head within MOST_HEAD_BYTES."""
        self._received += part
        if self._wanted is None:
            self._read_head(len(part))

    def _read_head(self, new_bytes: int) -> None:
        start = max(len(self._received) - new_bytes - len(END_OF_HEAD), 0)
        end = self._received.find(END_OF_HEAD, start, MOST_HEAD_BYTES)
        if end >= 0:
            head = bytes(self._received[: end + 2])
            length = LENGTH.search(head)
            self._chunked = CHUNKED.search(head) is not None
            self._wanted = end + len(END_OF_HEAD) + (int(length[1]) if length else 0)
        elif len(self._received) >= MOST_HEAD_BYTES:
            raise HeadTooLarge

    @property
    def is_whole(self) -> bool:
        """Whether a thread can read the request without waiting for the client.

        A body is waited for up to MOST_BODY_BYTES.
        """
        if self._wanted is None:
            return False
        if len(self._received) >= MOST_BODY_BYTES or self._wanted > MOST_BODY_BYTES:
            return True
        if self._chunked:
            return LAST_CHUNK.search(bytes(self._received[-TAIL_BYTES:])) is not None
        return len(self._received) >= self._wanted

    def take(self) -> bytes:
        """Everything, for the thread; what comes from now on is another request."""
        taken = bytes(self._received)
        self._received.clear()
        self._wanted, self._chunked = None, False
        return taken


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A client's connection, with what it has sent of a request that is not whole yet."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.gathered = Gathered()

    def init(self) -> None:
        """Called in the thread before each request: no read or write there lasts for ever."""
        super().init()
        self.sock.settimeout(THREAD_SECONDS)


class QuietResponse(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """An answer that does not tell which server wrote it."""

    def default_headers(self) -> list[str]:
        return [line for line in super().default_headers() if not line.startswith("Server:")]


class PatientWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """The threaded worker, with requests gathered in the main loop."""

    def init_process(self) -> None:
        wsgi.Response = QuietResponse
        super().init_process()

    def accept(self, listener: socket.socket) -> None:
        if self.cfg.is_ssl:  # bytes mean nothing before the handshake
            super().accept(listener)
            return
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno not in PASSING:
                raise
            return
        self.nr_conns += 1
        self._gather(Connection(self.cfg, sock, address, listener.getsockname()))

    def on_client_socket_readable(self, conn: Any, client: Any) -> None:
        """A connection that was kept open after an answer brings something."""
        if not isinstance(conn, Connection):
            super().on_client_socket_readable(conn, client)
            return
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._gather(conn)

    def enqueue_req(self, conn: Any) -> None:
        """Called by gunicorn for what came behind the last request on the same connection."""
        if isinstance(conn, Connection):
            self._gather(conn, conn.parser.unreader.take_buffered())
        else:
            super().enqueue_req(conn)

    def _gather(self, conn: Connection, beginning: bytes = b"") -> None:
        """Wait for the request in the main loop; its beginning may be all of it."""
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + REQUEST_SECONDS
        self.pending_conns.append(conn)
        self.poller.register(
            conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn)
        )
        if beginning:
            self._add(conn, beginning)

    def on_pending_socket_readable(self, conn: Any, client: Any) -> None:
        if not isinstance(conn, Connection):
            super().on_pending_socket_readable(conn, client)
            return
        try:
            part = conn.sock.recv(READ_BYTES)
        except OSError as error:
            if error.errno not in PASSING:
                self._give_up(conn)
            return
        if not part:
            self._give_up(conn)
            return
        self._add(conn, part)

    def _add(self, conn: Connection, part: bytes) -> None:
        try:
            conn.gathered.add(part)
        except HeadTooLarge:
            self._give_up(conn, HEAD_TOO_LARGE)
            return
        if conn.gathered.is_whole:
            self._hand_over(conn)

    def _hand_over(self, conn: Connection) -> None:
        self._forget(conn)
        if conn.parser is None:
            conn.parser = http.get_parser(self.cfg, conn.sock, conn.client)
        conn.parser.unreader.unread(conn.gathered.take())
        conn.data_ready = True
        super().enqueue_req(conn)

    def _forget(self, conn: Connection) -> None:
        self.poller.unregister(conn.sock)
        self.pending_conns.remove(conn)

    def _give_up(self, conn: Connection, answer: bytes = b"") -> None:
        self._forget(conn)
        self.nr_conns -= 1
        if answer:
            try:
                conn.sock.send(answer)
            except OSError as error:
                self.log.debug("Closing connection. %s", error)
        conn.close()

    def murder_pending(self) -> None:
        """Close what is late; a stopping worker has less patience."""
        if not self.alive:
            latest = time.monotonic() + STOPPING_SECONDS
            for conn in self.pending_conns:
                conn.timeout = min(conn.timeout, latest)
        super().murder_pending()
