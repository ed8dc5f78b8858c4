"""An Autotask faked at the wire, one odd answer at a time."""

from __future__ import annotations

from typing import Any

import responses

from integrations.adapters.autotask.adapter import AutotaskAdapter
from integrations.psa.contract import PsaAgreement
from integrations.psa.http import PsaHttp

DISCOVERY = "https://webservices.autotask.net/ATServicesRest/V1.0/zoneInformation"
ZONE = "https://webservices14.autotask.net/ATServicesRest/V1.0"
OTHER_ZONE = "https://webservices29.autotask.net/ATServicesRest/V1.0"
SECRET = "canary-secret"
CREDENTIALS = {"username": "api@acme.example", "secret": SECRET, "tracking_identifier": "CODE"}


def zone_answer(zone: str = ZONE) -> dict[str, Any]:
    root = zone.removesuffix("V1.0")
    return {"zoneName": "AE02", "url": root, "webUrl": "https://ww14.autotask.net/", "ci": 7}


def adapter(memory: dict[str, str] | None = None, **keys: str) -> AutotaskAdapter:
    return AutotaskAdapter(
        {**CREDENTIALS, **keys},
        {"AUTOTASK_ZONE_INFORMATION_URL": ""},
        PsaHttp(allow_private_hosts=True, attempts=2, first_pause=0),
        {} if memory is None else memory,
    )


def answer(wire: responses.RequestsMock, entity: str, *items: Any, zone: str = ZONE) -> None:
    details = {"count": len(items), "requestCount": 500, "prevPageUrl": None, "nextPageUrl": None}
    wire.post(f"{zone}/{entity}/query", json={"items": list(items), "pageDetails": details})


def contract(**over: Any) -> dict[str, Any]:
    return {
        "id": 100, "companyID": 7, "contractName": "Managed", "contractType": 7, "status": 1,
        "contractPeriodType": 2, "startDate": "2026-07-01T00:00:00Z",
        "endDate": "2027-06-30T00:00:00Z", "setupFee": 0.0, **over,
    }  # fmt: skip


def unit_row(id_: int, start: str, end: str, units: Any, price: Any, **over: Any) -> dict[str, Any]:
    return {
        "id": id_, "contractID": 100, "contractServiceID": 81, "serviceID": 45,
        "startDate": f"{start}T00:00:00Z", "endDate": f"{end}T00:00:00Z", "units": units,
        "price": price, **over,
    }  # fmt: skip


def read(wire: responses.RequestsMock, *contracts: Any, **rows: list[Any]) -> list[PsaAgreement]:
    answer(wire, "Contracts", *contracts)
    for entity in ("ContractServices", "ContractServiceUnits", "ContractServiceBundles",
                   "ContractServiceBundleUnits"):  # fmt: skip
        answer(wire, entity, *rows.get(entity, ()))
    answer(wire, "Companies", {"id": 7, "currencyID": 3})
    answer(wire, "Currencies", {"id": 1, "name": "USD"}, {"id": 3, "name": "eur"})
    (page,) = adapter().agreements(company_ids=["7"])
    return list(page.records)
