"""Questions to the sandbox ConnectWise, as any client would ask them."""

from __future__ import annotations

import base64
from datetime import date
from typing import Any

import requests

from integrations.sandbox.server import SandboxServer

TODAY = date(2026, 11, 25)
COMPANIES = "/v4_6_release/apis/3.0/company/companies"


def headers(public: str = "demo", private: str = "demo-private", **more: str) -> dict[str, str]:
    keys = base64.b64encode(f"audit-demo+{public}:{private}".encode()).decode()
    return {"Authorization": f"Basic {keys}", "clientId": "guid", **more}


def get(sandbox: SandboxServer, path: str, public: str = "demo", **more: Any) -> requests.Response:
    sent = headers(public, **more.pop("headers", {}))
    return requests.get(sandbox.url + path, headers=sent, timeout=5, allow_redirects=False, **more)
