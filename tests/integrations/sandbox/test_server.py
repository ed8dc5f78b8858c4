from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
import requests

from integrations.sandbox import autotask_data, autotask_truth
from integrations.sandbox.autotask_renewals import day_of, renew
from integrations.sandbox.connectwise_data import build
from integrations.sandbox.faults import FAULTS
from integrations.sandbox.server import SandboxServer
from tests.integrations.sandbox.asking import COMPANIES, TODAY, get, headers


def test_the_same_seed_gives_the_same_data_and_another_one_other() -> None:
    first, again = (build(seed=7, companies=30, today=TODAY) for _ in range(2))
    other = build(seed=8, companies=30, today=TODAY)

    assert json.dumps(first.companies) == json.dumps(again.companies)
    assert json.dumps(first.agreements) == json.dumps(again.agreements)
    assert json.dumps(first.additions) == json.dumps(again.additions)
    assert json.dumps(first.companies) != json.dumps(other.companies)


def test_the_data_has_every_case_that_makes_life_hard() -> None:
    data = build(seed=1, companies=600, today=TODAY)
    agreements = list(data.agreements.values())
    additions = [a for rows in data.additions.values() for a in rows.values()]
    cycles = {a["billingCycle"]["name"] for a in agreements if "billingCycle" in a}

    assert len(cycles) == 8
    assert {c["status"]["name"] for c in data.companies.values()} == {
        "Active", "Inactive", "Not Approved", "Credit Hold", "Delinquent",
    }  # fmt: skip
    assert any(not c["deletedFlag"] and "dateDeleted" in c for c in data.companies.values())
    assert any("parentAgreement" in a and "billingCycle" not in a for a in agreements)
    assert any(a["cancelledFlag"] and "dateCancelled" not in a for a in agreements)
    assert any(not a["cancelledFlag"] and "dateCancelled" in a for a in agreements)
    assert any(a["billOneTimeFlag"] for a in agreements)
    assert any("billAmount" not in a for a in agreements)
    assert any(a["unitPrice"] < 0 for a in additions)
    assert any(a["billCustomer"] == "NoCharge" for a in additions)
    assert {a["product"]["identifier"] for a in additions} >= {"ONBOARD", "HIST"}
    assert any("communicationItems" not in c for c in data.contacts.values())


def test_autotask_renews_by_its_wizard_at_once_on_the_day_and_by_hand() -> None:
    data = autotask_data.build(seed=1, companies=600, today=TODAY)
    ways = set()
    for one in data.contracts.values():
        for new in autotask_truth.successors(data, one):
            is_adjacent = day_of(one, "endDate") + timedelta(days=1) == day_of(new, "startDate")
            ways.add((one["status"], is_adjacent, day_of(new, "startDate") > TODAY))

    assert ways == {
        (0, True, True), (0, True, False),  # at once or on the day: adjacent and inactive
        (1, True, True), (1, True, False), (1, False, True), (1, False, False),  # or not yet
    }  # fmt: skip


@pytest.mark.parametrize(("at_once", "status"), [(True, 0), (False, 1)])
def test_the_wizard_acts_on_demand(at_once: bool, status: int) -> None:
    data = autotask_data.build(seed=1, companies=60, today=TODAY)
    old = next(one for one in data.contracts.values() if one["endDate"][:4] == "2027")
    ends = old["endDate"]

    new = renew(data, old, new_id=1, today=TODAY, at_once=at_once, increase=Decimal(5))

    assert (old["status"], old["endDate"], new["renewedContractID"]) == (status, ends, old["id"])
    assert day_of(new, "startDate") == day_of(old, "endDate") + timedelta(days=1)
    sold = [data.lines[id_].plan_on(day_of(old, "endDate")) for id_ in data.lines_of[old["id"]]]
    goes_on = [data.lines[id_].changes[0][1:] for id_ in data.lines_of[1]]
    (units, price), *others = [plan for plan in sold if plan]
    assert goes_on == [(units, price + 5), *others]


@pytest.mark.parametrize(
    ("fault", "options", "status"),
    [
        ("rate_limited", {"retry_after": 9}, 429),
        ("server_error", {}, 500),
        ("bad_gateway_html", {}, 502),
        ("maintenance_html", {}, 503),
        ("html_200", {}, 200),
        ("redirect", {}, 302),
        ("refused_right", {}, 403),
        ("bad_keys", {"form": "404"}, 404),
        ("bad_keys", {"form": "401_other"}, 401),
        ("client_id", {"form": 400}, 400),
        ("empty_answer", {}, 200),
        ("truncated_json", {}, 200),
        ("explicit_nulls", {}, 200),
    ],
)
def test_a_fault_hits_as_often_as_asked_and_then_is_over(
    sandbox: SandboxServer, fault: str, options: dict[str, Any], status: int
) -> None:
    whole = get(sandbox, COMPANIES).text
    body = {"name": fault, "path": "/companies", "times": 1, **options}
    requests.post(f"{sandbox.url}/_sandbox/faults", json=body, timeout=5)

    hit, after = get(sandbox, COMPANIES), get(sandbox, COMPANIES)

    assert hit.status_code == status
    assert hit.text != whole
    assert (after.status_code, after.text) == (200, whole)
    if fault == "rate_limited":
        assert hit.headers["Retry-After"] == "9"


@pytest.mark.parametrize("fault", ["dropped_connection", "truncated_body"])
def test_a_broken_line_is_really_broken(sandbox: SandboxServer, fault: str) -> None:
    sandbox.faults.switch_on(fault, times=1)

    with pytest.raises(requests.RequestException):
        _ = get(sandbox, COMPANIES).content
    assert get(sandbox, COMPANIES).status_code == 200


def test_an_unknown_fault_is_answered_with_the_list_of_those_there_are(
    sandbox: SandboxServer,
) -> None:
    answer = requests.post(f"{sandbox.url}/_sandbox/faults", json={"name": "x"}, timeout=5)

    assert answer.status_code == 400
    assert set(answer.json()["faults"]) == set(FAULTS)


def test_the_request_log_tells_all_and_no_secret(sandbox: SandboxServer) -> None:
    get(sandbox, f"{COMPANIES}?pageSize=3")

    log = requests.get(f"{sandbox.url}/_sandbox/requests", timeout=5)

    (entry,) = log.json()["requests"]
    assert (entry["method"], entry["path"], entry["status"]) == ("GET", COMPANIES, 200)
    assert "demo-private" not in log.text
    assert headers()["Authorization"].split()[1] not in log.text


def test_truth_adds_up_by_hand(sandbox: SandboxServer) -> None:
    psa = sandbox.psas["connectwise"]
    psa.change(
        {
            "do": "add",
            "kind": "companies",
            "id": 999,
            "values": {
                "name": "Hand",
                "identifier": "H",
                "status": {"id": 1, "name": "Active"},
                "types": [],
            },
        }
    )
    company = {"id": 999, "name": "Hand"}
    psa.change(
        {
            "do": "add",
            "kind": "contacts",
            "id": 9,
            "values": {
                "company": company,
                "communicationItems": [
                    {
                        "type": {"id": 1, "name": "Email"},
                        "value": "a@b.example",
                        "communicationType": "Email",
                    }
                ],
            },
        }
    )
    values = {
        "company": company,
        "billAmount": 1250.0,
        "billingCycle": {"id": 2, "name": "Monthly"},
        "startDate": "2025-01-01T00:00:00Z",
        "currency": {"currencyCode": "USD"},
    }
    psa.change({"do": "add", "kind": "agreements", "id": 8, "values": values})
    psa.change(
        {
            "do": "add",
            "kind": "agreements",
            "id": 7,
            "values": {**values, "billAmount": None, "billingCycle": {"id": 8, "name": "Yearly"}},
        }
    )
    row = {"billCustomer": "Billable", "effectiveDate": "2025-01-01T00:00:00Z"}
    psa.change(
        {
            "do": "add",
            "kind": "additions",
            "parent": 8,
            "id": 801,
            "values": {**row, "quantity": 48, "lessIncluded": 5, "unitPrice": 38.5},
        }
    )
    psa.change(
        {
            "do": "add",
            "kind": "additions",
            "parent": 8,
            "id": 802,
            "values": {**row, "quantity": 10, "unitPrice": 22.0},
        }
    )
    psa.change(
        {
            "do": "add",
            "kind": "additions",
            "parent": 8,
            "id": 803,
            "values": {**row, "quantity": 48, "unitPrice": 2.0, "billCustomer": "NoCharge"},
        }
    )
    psa.change(
        {
            "do": "add",
            "kind": "additions",
            "parent": 8,
            "id": 804,
            "values": {
                **row,
                "quantity": 1,
                "unitPrice": 750.0,
                "cancelledDate": "2025-01-31T00:00:00Z",
            },
        }
    )
    psa.change(
        {
            "do": "add",
            "kind": "additions",
            "parent": 7,
            "id": 701,
            "values": {**row, "quantity": 2, "unitPrice": 540.0},
        }
    )

    found = psa.truth(date(2026, 11, 15))["companies"]["999"]

    assert found["importable"]
    assert found["agreements"]["8"]["amount"] == "3125.50"
    assert found["agreements"]["7"]["amount"] == "90.00"
    assert Fraction(found["mrr"][0]["exact"]) == Fraction(321550, 100)
