"""A ConnectWise faked at the wire, one odd answer at a time."""

from __future__ import annotations

import json
from typing import Any

import responses

from integrations.adapters.connectwise.adapter import ConnectWiseAdapter
from integrations.psa.http import PsaHttp

BASE = "https://api-na.myconnectwise.net/v2025_1/apis/3.0"
INFO = "https://api-na.myconnectwise.net/login/companyinfo/acmemsp"
SECRET = "canary-private-key"
CREDENTIALS = {
    "server_url": "na.myconnectwise.net",
    "company_id": "acmemsp",
    "public_key": "pub",
    "private_key": SECRET,
}


def adapter(memory: dict[str, str] | None = None, client_id: str = "guid") -> ConnectWiseAdapter:
    return ConnectWiseAdapter(
        CREDENTIALS,
        {"CONNECTWISE_CLIENT_ID": client_id},
        PsaHttp(allow_private_hosts=True),
        {} if memory is None else memory,
    )


def companies(wire: responses.RequestsMock, *rows: Any, **headers: str) -> Any:
    wire.get(f"{BASE}/company/companies/count", json={"count": len(rows)})
    wire.get(f"{BASE}/company/companies", body=json.dumps(rows), headers=headers)
    (page,) = adapter().companies()
    return page


def contact(wire: responses.RequestsMock, **fields: Any) -> Any:
    wire.get(f"{BASE}/company/contacts/count", json={"count": 1})
    wire.get(f"{BASE}/company/contacts", json=[{"id": 9, **fields}])
    (page,) = adapter().contacts()
    return page.records[0]


def item(value: str, kind: str | None, default: bool = False, type_name: str = "x") -> Any:
    found = {"type": {"id": 5, "name": type_name}, "value": value, "defaultFlag": default}
    return found if kind is None else {**found, "communicationType": kind}


def agreements(wire: responses.RequestsMock, *rows: Any, cycles: Any = "table") -> Any:
    table = [
        {"id": 2, "name": "Monthly", "billingOptions": "Monthly"},
        {"id": 9, "name": "Every 2 months", "billingOptions": "BiMonthly"},
        {"id": 10, "name": "None", "billingOptions": "NotRecurring"},
    ]
    if cycles == "table":
        wire.get(f"{BASE}/finance/billingCycles", json=table)
    else:
        wire.get(f"{BASE}/finance/billingCycles", json={"code": "Security"}, status=403)
    wire.get(f"{BASE}/finance/agreements", json=[{"company": {"id": 7}, **row} for row in rows])
    (page,) = adapter().agreements(company_ids=["7"])
    return page


MONTHLY = {"id": 2, "name": "Monthly"}
