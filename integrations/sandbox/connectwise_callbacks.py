"""ConnectWise's callbacks: registered over the API, delivered with a signature on each change."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from typing import Any, Final

import requests

Record = dict[str, Any]

SIGNING_KEY: Final = "sandbox-signing-key"
#: Seconds before each further try after 404, 409, 419 or 429.
RETRIES: Final = (2.0, 4.0)
TYPES: Final = {"companies": "company", "contacts": "contact", "agreements": "agreement"}


class Callbacks:
    """What is registered; deliveries run in the background and never hold an answer up."""

    def __init__(self, pauses: tuple[float, ...] = RETRIES) -> None:
        self.registered: dict[int, Record] = {}
        self._pauses = pauses

    def register(self, fields: Record) -> Record:
        id_ = max(self.registered, default=0) + 1
        self.registered[id_] = {"id": id_, "inactiveFlag": False, **fields}
        return self.registered[id_]

    def announce(self, kind: str, action: str, record: Record, key_url: str = "") -> None:
        """Deliver to everybody who wants to know of this kind of record."""
        for callback in list(self.registered.values()):
            if callback.get("type") == TYPES.get(kind) and not callback.get("inactiveFlag"):
                threading.Thread(
                    target=self._deliver,
                    args=(str(callback["url"]), kind, action, dict(record), key_url),
                    daemon=True,
                ).start()

    def _deliver(self, url: str, kind: str, action: str, record: Record, key_url: str) -> None:
        body = json.dumps(
            {
                "Action": action,
                "Type": TYPES[kind],
                "ID": record["id"],
                "Entity": None if action == "deleted" else json.dumps(record),
                "Metadata": {"key_url": key_url},
            }
        ).encode()
        address = f"{url}{record['id']}&action={action}"
        headers = {"Content-Type": "application/json", "x-content-signature": signature(body)}
        for pause in (*self._pauses, 0.0):
            try:
                answer = requests.post(address, data=body, headers=headers, timeout=5)
            except requests.RequestException:
                return
            if answer.status_code not in {404, 409, 419, 429}:
                return
            threading.Event().wait(pause)


def signature(body: bytes) -> str:
    """base64(HMAC-SHA256(SHA256(signing key), body))."""
    key = hashlib.sha256(SIGNING_KEY.encode()).digest()
    return base64.b64encode(hmac.new(key, body, hashlib.sha256).digest()).decode()
