"""A Kaseya BMS faked at the wire, one odd answer at a time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.adapters.kaseya_bms.adapter import KaseyaBmsAdapter
from integrations.psa.contract import PsaAgreement
from integrations.psa.http import PsaHttp

API = "https://api.bms.kaseya.com"
LOGIN = f"{API}/v2/security/authenticate"
REFRESH = f"{API}/v2/security/refreshtoken"
ACCOUNTS = f"{API}/v2/crm/accounts/summary"
CONTACTS = f"{API}/v2/crm/contacts/summary"
CONTRACTS = f"{API}/v2/finance/contracts/summary"
LOOKUP = f"{API}/v2/finance/contracts/lookup"
SECRET = "canary-password"
CREDENTIALS = {
    "server_url": "https://bms.kaseya.com",
    "username": "api",
    "tenant": "Acme IT",
    "password": SECRET,
}
SECURITY_ERROR = {"success": False, "error": {"code": 978001, "message": "Security Error"}}


def good(result: Any, **more: Any) -> dict[str, Any]:
    return {"success": True, "error": None, "result": result, **more}


def bad(message: str, code: int = 0) -> dict[str, Any]:
    error = {"code": code, "message": message, "details": None, "stackStrace": f"at {SECRET}"}
    return {"success": False, "error": error, "result": None}


def tokens(number: int = 1, seconds: int = 3600) -> dict[str, Any]:
    until = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    found = {"accessToken": f"access{number}", "refreshToken": f"refresh{number}"}
    return good({**found, "accessTokenExpireOn": until})


def adapter() -> KaseyaBmsAdapter:
    http = PsaHttp(allow_private_hosts=True, attempts=2, first_pause=0)
    return KaseyaBmsAdapter(CREDENTIALS, {"KASEYA_BMS_API_URL": ""}, http, {})


def asked(wire: Any, url: str) -> int:
    return sum(1 for call in wire.calls if call.request.url.partition("?")[0] == url)


def contract(id_: int = 50, **over: Any) -> dict[str, Any]:
    return {
        "id": id_, "contractName": "Managed IT", "accountName": "Twin",
        "contractType": "Recurring Services", "contractBillingPrice": 2450.0, "status": "Active",
        "billingCycle": "Monthly", "startDate": "2026-01-01T00:00:00",
        "endDate": "2026-12-31T00:00:00", **over,
    }  # fmt: skip


def read(wire: Any, *contracts: Any, account: Any = None) -> list[PsaAgreement]:
    wire.get(CONTRACTS, body=json.dumps(good(list(contracts), totalRecords=len(contracts))))
    wire.get(LOOKUP, json=good([{"id": one["id"]} for one in contracts]))
    own = {"id": 7, "accountName": "Twin", **(account or {"currencyName": "USD"})}
    wire.get(f"{ACCOUNTS}/7", json=own)
    wire.get(ACCOUNTS, json=good([own], totalRecords=1))
    return [record for page in adapter().agreements(company_ids=["7"]) for record in page.records]
