"""The sandbox server: one address on loopback, all sandbox PSAs, faults, a request log, and truth.

`/_sandbox/` is its control plane (JSON): `GET /_sandbox/` (what there is), `GET|POST|DELETE
/_sandbox/faults`, `GET|DELETE /_sandbox/requests`, `POST /_sandbox/reset`,
`GET /_sandbox/{psa}/truth?as_of=`, `POST /_sandbox/{psa}/change`.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self
from urllib.parse import urlsplit

from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from integrations import sandbox as package
from integrations.sandbox.faults import FAULTS, FaultBox

HTML_PAGE = (
    "<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
)
#: fault → status and heading of the page that comes instead
HTML_FAULTS = {
    "bad_gateway_html": (502, "502 Bad Gateway"),
    "maintenance_html": (503, "Down for maintenance"),
    "html_200": (200, "Sign in"),
}
LOG_LENGTH = 200_000
#: In how many pieces an answer drips at the most.
DRIPS = 300


class SandboxPsa(Protocol):
    """A stand-in for one PSA. `prefix` is where it lives on the server ("" = the root)."""

    key: ClassVar[str]
    prefix: ClassVar[str]

    def __init__(self, *, seed: int, companies: int, today: date, faults: FaultBox) -> None: ...

    def visit(self, request: Request) -> AbstractContextManager[Response | None]:
        """Entered for as long as a request is under way; gives the answer that turns it away."""
        ...

    def respond(self, request: Request) -> Response:
        """Answer a request as the PSA would."""
        ...

    def rate_limited(self, retry_after: str | None) -> Response:
        """The PSA's own way of saying "too many requests"."""
        ...

    def forget_calls(self) -> None:
        """Let every limit of calls begin anew, as when its hour has passed."""
        ...

    def credentials(self, base_url: str) -> dict[str, str]:
        """What to type into the form to connect this sandbox."""
        ...

    @classmethod
    def settings(cls, base_url: str) -> dict[str, str]:
        """Process settings under which the product finds this sandbox."""
        ...

    def truth(self, as_of: date) -> dict[str, Any]:
        """What is importable and why not, which agreements count, and MRR to the cent."""
        ...

    def change(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Change the data: `{"do": "add|change|delete|merge", "kind", "id", "values", "touch"}`.

        Autotask knows `renew`, too.
        """
        ...


def sandbox_psas() -> dict[str, type[SandboxPsa]]:
    """Every sandbox PSA by key: the modules of this package that have a `SANDBOX`."""
    found: dict[str, type[SandboxPsa]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        sandbox: type[SandboxPsa] | None = getattr(module, "SANDBOX", None)
        if sandbox is not None:
            found[sandbox.key] = sandbox
    return found


def settings_at(base_url: str) -> dict[str, str]:
    """Process settings under which the product finds all sandbox PSAs at an address."""
    return {
        name: value
        for sandbox in sandbox_psas().values()
        for name, value in sandbox.settings(base_url).items()
    }


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are written apart: 40 ms between them otherwise

    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing: the request log is at /_sandbox/requests, without secrets."""


class SandboxServer:
    """A sandbox on a loopback port (0 = any free one), alone with its data, faults and log."""

    def __init__(
        self,
        *,
        port: int = 0,
        seed: int = 1,
        companies: int = 50,
        today: date | None = None,
        latency_ms: float = 0,
        only: str = "",
    ) -> None:
        """`only` one of all is served (they share nothing, and data take a moment to make)."""
        self.faults = FaultBox()
        self._latency_ms = latency_ms
        self._log: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        kinds = sandbox_psas()
        first_day = today or _today()

        def make_psas() -> dict[str, SandboxPsa]:
            data = {"seed": seed, "companies": companies}
            return {
                key: kind(**data, today=first_day, faults=self.faults)
                for key, kind in kinds.items()
                if only in {"", key}
            }

        self._make_psas = make_psas
        self.psas: dict[str, SandboxPsa]
        self.reset()
        self._server = make_server(
            "127.0.0.1", port, self._application, threaded=True, request_handler=_Handler
        )
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self.port: int = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve, name="sandbox", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve(self) -> None:
        """Answer until the process ends."""
        self._server.serve_forever(poll_interval=0.01)

    def credentials(self, psa: str) -> dict[str, str]:
        return self.psas[psa].credentials(self.url)

    def settings(self) -> dict[str, str]:
        """The settings of all sandbox PSAs together."""
        return {
            name: value
            for psa in self.psas.values()
            for name, value in psa.settings(self.url).items()
        }

    def requests(self) -> list[dict[str, Any]]:
        """The log: `{"at", "method", "path", "query", "status", "psa"}`, oldest first."""
        with self._lock:
            return list(self._log)

    def reset(self) -> None:
        """Be as when it was started: its data, its faults and its log."""
        self.faults.clear()
        if self._latency_ms:
            self.faults.switch_on("latency", ms=self._latency_ms)
        self.psas = self._make_psas()
        self.forget_requests()

    def forget_requests(self) -> None:
        with self._lock:
            self._log.clear()
            self._counts.clear()
        for psa in self.psas.values():
            psa.forget_calls()

    # Answering

    def _application(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        request = Request(environ)
        if request.path.startswith("/_sandbox"):
            return self._control(request)(environ, start_response)
        key, psa = self._psa_of(request.path)
        response = self._faulty(request, psa)
        with self._lock:
            self._counts[f"{key} {request.path}"] += 1
            self._log.append(
                {
                    "at": datetime.now(UTC).isoformat(),
                    "psa": key,
                    "method": request.method,
                    "path": request.path,
                    "query": request.query_string.decode(),
                    "status": response.status_code if response else 0,
                }
            )
        if response is None:
            _drop(environ)
            start_response("200 OK", [("Content-Length", "1")])
            return [b" "]
        return response(environ, start_response)

    def _psa_of(self, path: str) -> tuple[str, SandboxPsa]:
        by_prefix = sorted(self.psas.items(), key=lambda item: -len(item[1].prefix))
        for key, psa in by_prefix:
            if path.casefold().startswith(psa.prefix.casefold()):
                return key, psa
        raise NotFound

    def _faulty(self, request: Request, psa: SandboxPsa) -> Response | None:
        """The PSA's answer, spoilt by whatever fault hits this request; None = drop the line."""
        with psa.visit(request) as turned_away, self.faults.under_way(request.path) as crowded:
            if crowded:
                wait = crowded.options.get("retry_after")
                return psa.rate_limited(None if wait is None else str(wait))
            self._delay(request.path)
            return turned_away or self._answer(request, psa)

    def _answer(self, request: Request, psa: SandboxPsa) -> Response | None:
        path, hit = request.path, self.faults.hit
        if hit("dropped_connection", path):
            return None
        if (spoilt := self._other_answer(psa, path)) is not None:
            return spoilt
        try:
            response = psa.respond(request)
        except HTTPException as error:
            response = error.get_response()
        if hit("truncated_json", path):
            response.set_data(response.get_data()[: len(response.get_data()) // 2])
        if hit("truncated_body", path):
            return _truncated(response)
        if fault := hit("slow_drip", path):
            return _dripping(response, float(fault.options.get("seconds", 1)))
        return response

    def _delay(self, path: str) -> None:
        if fault := self.faults.hit("latency", path):
            time.sleep(float(fault.options.get("ms", 50)) / 1000)
        if fault := self.faults.hit("slow", path):
            time.sleep(float(fault.options.get("seconds", 35)))

    def _other_answer(self, psa: SandboxPsa, path: str) -> Response | None:
        """An answer that comes instead of the PSA's own."""
        if fault := self.faults.hit("rate_limited", path):
            wait = fault.options.get("retry_after", 1)
            return psa.rate_limited(None if wait is None else str(wait))
        if (seconds := self.faults.spent("quota", path)) is not None:
            return psa.rate_limited(str(seconds))
        if self.faults.hit("server_error", path):
            return json_response({"code": "Unexpected", "message": "Unexpected error."}, 500)
        if fault := self.faults.hit("blocked", path):
            return blocked(**fault.options)
        for name, (status, title) in HTML_FAULTS.items():
            if self.faults.hit(name, path):
                return Response(HTML_PAGE.format(title=title), status, mimetype="text/html")
        if fault := self.faults.hit("redirect", path):
            location = str(fault.options.get("location", "/elsewhere/"))
            return Response("", 302, headers={"Location": location})
        return None

    # The control plane

    def _control(self, request: Request) -> Response:
        parts = [part for part in request.path.split("/") if part][1:]
        try:
            return json_response(self._controlled(request, parts))
        except KeyError as error:
            return json_response({"error": f"There is no {error}.", "faults": FAULTS}, 400)
        except (ValueError, TypeError) as error:
            return json_response({"error": str(error)}, 400)
        except NotFound:
            return json_response({"error": "There is nothing here."}, 404)

    def _controlled(self, request: Request, parts: list[str]) -> Any:
        match request.method, parts:
            case "GET", []:
                return {
                    "psas": {key: self.credentials(key) for key in self.psas},
                    "settings": self.settings(),
                    "faults": FAULTS,
                }
            case "GET", ["faults"]:
                return self.faults.listed()
            case "POST", ["faults"]:
                self.faults.switch_on(**json.loads(request.get_data()))
                return self.faults.listed()
            case "DELETE", ["faults"]:
                self.faults.clear(request.args.get("name", ""))
                return self.faults.listed()
            case "GET", ["requests"]:
                with self._lock:
                    return {"counts": dict(self._counts), "requests": list(self._log)}
            case "DELETE", ["requests"]:
                self.forget_requests()
                return {}
            case "POST", ["reset"]:
                self.reset()
                return {}
            case "GET", [psa, "truth"]:
                as_of = request.args.get("as_of")
                return self.psas[psa].truth(date.fromisoformat(as_of) if as_of else _today())
            case "POST", [psa, "change"]:
                return self.psas[psa].change(json.loads(request.get_data()))
        raise NotFound


def blocked(status: int = 403, form: str = "html") -> Response:
    """What a firewall, a proxy or an allow-list answers in a server's place."""
    match form:
        case "json":
            return json_response({"error": {"reason": "ip_not_allowed"}}, status)
        case "text":
            return Response("error code: 1020", status, mimetype="text/plain")
    return Response(HTML_PAGE.format(title="Forbidden"), status, mimetype="text/html")


def json_response(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(
        json.dumps(value, ensure_ascii=False, separators=(",", ":")),
        status,
        mimetype="application/json",
        headers=dict(headers or {}),
    )


def _today() -> date:
    return datetime.now(UTC).date()


def _drop(environ: Mapping[str, Any]) -> None:
    connection: socket.socket = environ["werkzeug.socket"]
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _truncated(response: Response) -> Response:
    data = response.get_data()
    headers = {**dict(response.headers), "Content-Length": str(len(data)), "Connection": "close"}
    return Response(iter([data[: len(data) // 2]]), response.status_code, headers=headers)


def _dripping(response: Response, seconds: float) -> Response:
    data = response.get_data()

    def drip() -> Iterator[bytes]:
        size = -(-len(data) // DRIPS) or 1
        for position in range(0, len(data), size):
            yield data[position : position + size]
            time.sleep(seconds)

    headers = {**dict(response.headers), "Content-Length": str(len(data))}
    return Response(drip(), response.status_code, headers=headers)


def absolute(request: Request) -> str:
    """`scheme://host:port` under which the client reached us."""
    parts = urlsplit(request.base_url)
    return f"{parts.scheme}://{parts.netloc}"
