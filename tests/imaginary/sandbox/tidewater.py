"""The sandbox of the PSA that does not exist."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from integrations.sandbox.faults import FaultBox
from integrations.sandbox.server import json_response


class TidewaterSandbox:
    key: ClassVar[str] = "tidewater"
    prefix: ClassVar[str] = "/tidewater"

    def __init__(self, *, seed: int, companies: int, today: date, faults: FaultBox) -> None:
        ids = range(1, companies + 1)
        self.rows: dict[str, list[dict[str, Any]]] = {
            "clients": [{"id": n, "name": f"Boatyard {n}"} for n in ids],
            "people": [{"id": n, "client": n, "email": f"p{n}@boat.example"} for n in ids],
            "deals": [{"id": n, "client": n, "a_month": n * 10.25} for n in ids],
        }

    def visit(self, request: Request) -> AbstractContextManager[None]:
        return nullcontext()

    def respond(self, request: Request) -> Response:
        if request.headers.get("Harbour-Key") != "sesame":
            return json_response({}, 401)
        if request.headers.get("Fleet") != "F-7":
            return json_response({}, 403)
        return json_response(self.rows[request.path.rpartition("/")[2]])

    def rate_limited(self, retry_after: str | None) -> Response:
        return json_response({}, 429)

    def forget_calls(self) -> None:
        """No limit of it counts calls."""

    def credentials(self, base_url: str) -> dict[str, str]:
        return {"address": f"{base_url}/tidewater", "key": "sesame"}

    @classmethod
    def settings(cls, base_url: str) -> dict[str, str]:
        return {"TIDEWATER_FLEET": "F-7"}

    def truth(self, as_of: date) -> dict[str, Any]:
        return {}

    def change(self, command: Mapping[str, Any]) -> dict[str, Any]:
        return {}


SANDBOX = TidewaterSandbox
