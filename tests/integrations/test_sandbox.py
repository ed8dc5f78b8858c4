from __future__ import annotations

import base64
import json
import threading
from datetime import date
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from integrations.sandbox.connectwise_callbacks import signature
from integrations.sandbox.connectwise_data import build
from integrations.sandbox.connectwise_query import ConditionError, parse
from integrations.sandbox.faults import FAULTS
from integrations.sandbox.server import SandboxServer

TODAY = date(2026, 11, 25)
COMPANIES = "/v4_6_release/apis/3.0/company/companies"


def headers(public: str = "demo", private: str = "demo-private", **more: str) -> dict[str, str]:
    keys = base64.b64encode(f"audit-demo+{public}:{private}".encode()).decode()
    return {"Authorization": f"Basic {keys}", "clientId": "guid", **more}


def get(sandbox: SandboxServer, path: str, public: str = "demo", **more: Any) -> requests.Response:
    sent = headers(public, **more.pop("headers", {}))
    return requests.get(sandbox.url + path, headers=sent, timeout=5, allow_redirects=False, **more)


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


def test_both_ways_of_paging_lead_to_the_last_record(sandbox: SandboxServer) -> None:
    numbered, link = [], f"{COMPANIES}?pageSize=7"
    while link:
        answer = get(sandbox, link)
        numbered += [row["id"] for row in answer.json()]
        link = answer.links.get("next", {}).get("url", "").removeprefix(sandbox.url)
    forward, link = [], f"{COMPANIES}?pageSize=7"
    while link:
        answer = get(sandbox, link, headers={"pagination-type": "forward-only"})
        forward += [row["id"] for row in answer.json()]
        link = answer.links.get("next", {}).get("url", "").removeprefix(sandbox.url)

    assert numbered == forward == sorted(numbered)
    assert len(numbered) == 40


def test_pages_have_25_rows_unless_asked_and_1000_at_most(sandbox: SandboxServer) -> None:
    assert len(get(sandbox, COMPANIES).json()) == 25
    assert len(get(sandbox, f"{COMPANIES}?pageSize=99999").json()) == 40
    assert get(sandbox, f"{COMPANIES}/count").json() == {"count": 40}
    assert get(sandbox, f"{COMPANIES}?page=99").json() == []


def test_fields_limit_the_members_and_drop_info(sandbox: SandboxServer) -> None:
    row = get(sandbox, f"{COMPANIES}?pageSize=1&fields=id,name,nonsense").json()[0]

    assert set(row) == {"id", "name"}


@pytest.mark.parametrize(
    ("conditions", "passes"),
    [
        ('name="acme"', True),
        ("name = 'other'", False),
        ("id in (1, 5)", True),
        ("id not in (1, 5)", False),
        ('name contains "CM"', True),
        ('name like "a%e"', True),
        ("status/name='Active' AND (id > 4 or id < 2)", True),
        ("DeletedFlag = false", True),
        ("lastUpdated > [2026-01-01T00:00:00Z]", True),
        ("lastUpdated > [2026-03-01]", False),
        ("website = null", True),
        ("id >= 5.0", True),
    ],
)
def test_conditions_are_understood(conditions: str, passes: bool) -> None:
    record = {
        "id": 5,
        "name": "Acme",
        "status": {"name": "Active"},
        "deletedFlag": False,
        "_info": {"lastUpdated": "2026-02-01T00:00:00Z"},
    }
    known = frozenset({"id", "name", "status", "deletedflag", "_info", "website"})

    assert parse(conditions, known)(record) is passes


@pytest.mark.parametrize(
    "conditions", ["typeids = 1", "name = ", "name = Acme", "(id = 1", "id 5", "§"]
)
def test_conditions_that_are_none_are_refused(conditions: str) -> None:
    with pytest.raises(ConditionError):
        parse(conditions, frozenset({"id", "name"}))


def test_children_are_filtered_by_child_conditions_only(sandbox: SandboxServer) -> None:
    refused = get(sandbox, f'{COMPANIES}?conditions=types/name="Vendor"')
    found = get(sandbox, f'{COMPANIES}?childConditions=name="x"')
    vendors = get(sandbox, f'{COMPANIES}?pageSize=1000&childConditions=types/name="Vendor"')

    assert (refused.status_code, refused.json()["code"]) == (400, "ApiFindCondition")
    assert found.status_code == 400
    assert {row["types"][0]["name"] for row in vendors.json()} == {"Vendor"}


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/v4_6_release/apis/3.0/v4_6_release/apis/3.0/company/companies", 404, "does not exist"),
        ("/v9/apis/3.0/company/companies", 400, "Cannot route. Codebase/company is invalid"),
        (f"{COMPANIES}/1", 404, "not found"),
        ("/v4_6_release/apis/3.0/company/nothing", 404, "does not exist"),
        ("/login/companyinfo/nobody", 200, "null"),
    ],
)
def test_what_is_not_there_answers_as_the_real_one(
    sandbox: SandboxServer, path: str, status: int, text: str
) -> None:
    answer = get(sandbox, path)

    assert answer.status_code == status
    assert text in answer.text


@pytest.mark.parametrize(
    ("public", "path"),
    [
        ("no-companies", "/company/companies"),
        ("no-contacts", "/company/contacts"),
        ("no-agreements", "/finance/agreements"),
        ("no-tables", "/finance/billingCycles"),
    ],
)
def test_keys_that_lack_a_right_are_refused_it(
    sandbox: SandboxServer, public: str, path: str
) -> None:
    answer = get(sandbox, f"/v4_6_release/apis/3.0{path}", public)

    assert (answer.status_code, answer.json()["code"]) == (403, "Security")


def test_wrong_keys_and_a_missing_client_id_are_refused(sandbox: SandboxServer) -> None:
    wrong = requests.get(sandbox.url + COMPANIES, headers=headers(private="x"), timeout=5)
    no_client = {k: v for k, v in headers().items() if k != "clientId"}
    without = requests.get(sandbox.url + COMPANIES, headers=no_client, timeout=5)

    assert (wrong.status_code, wrong.json()["message"]) == (401, "UserNotAuthenticated")
    assert without.status_code == 403


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


def test_a_new_release_moves_the_api(sandbox: SandboxServer) -> None:
    sandbox.faults.switch_on("new_release", times=1)
    old = "/v2025_1/apis/3.0/company/companies"

    assert get(sandbox, old).status_code == 400
    assert get(sandbox, old).text == "Cannot route. Codebase/company is invalid"
    info = requests.get(f"{sandbox.url}/login/companyinfo/audit-demo", timeout=5).json()
    assert get(sandbox, f"/{info['Codebase']}apis/3.0/company/companies").status_code == 200


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


def test_a_merge_moves_what_hangs_on_a_company_and_takes_its_id_away(
    sandbox: SandboxServer,
) -> None:
    data = sandbox.psas["connectwise"].data
    loser, winner = 20003, 20004
    moved = set(data.contacts_of[loser])

    requests.post(
        f"{sandbox.url}/_sandbox/connectwise/change",
        json={"do": "merge", "kind": "companies", "id": loser, "into": winner},
        timeout=5,
    )

    assert get(sandbox, f"{COMPANIES}/{loser}").status_code == 404
    found = get(
        sandbox,
        f"/v4_6_release/apis/3.0/company/contacts?pageSize=1000&conditions=company/id in ({winner})",
    )
    assert moved <= {row["id"] for row in found.json()}


def test_a_change_moves_last_updated_only_when_asked(sandbox: SandboxServer) -> None:
    psa = sandbox.psas["connectwise"]

    before = dict(get(sandbox, f"{COMPANIES}/20001").json()["_info"])
    quiet = psa.change(
        {"do": "change", "kind": "companies", "id": 20001, "values": {"name": "A"}, "touch": False}
    )
    quiet_stamp = quiet["_info"]["lastUpdated"]
    psa.change({"do": "change", "kind": "companies", "id": 20001, "values": {"name": "B"}})

    assert quiet_stamp == before["lastUpdated"] < "2026-01-06"
    found = get(sandbox, f"{COMPANIES}?conditions=lastUpdated>[2026-11-01T00:00:00Z]").json()
    assert [row["name"] for row in found] == ["B"]


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


def test_custom_fields_have_conditions_of_their_own(sandbox: SandboxServer) -> None:
    asked = f'{COMPANIES}?pageSize=1000&customFieldConditions=caption="Region" AND value="West"'

    rows = get(sandbox, asked).json()

    assert {row["customFields"][0]["value"] for row in rows} == {"West"}


def test_a_registered_callback_is_told_of_a_change_with_a_signature(sandbox: SandboxServer) -> None:
    received: list[tuple[str, bytes, str]] = []
    arrived = threading.Event()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, body, self.headers["x-content-signature"]))
            self.send_response(200)
            self.end_headers()
            arrived.set()

        def log_message(self, *args: object) -> None:
            return

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
    callbacks = f"{sandbox.url}/v4_6_release/apis/3.0/system/callbacks"
    url = f"http://127.0.0.1:{listener.server_port}/hook?recordId="
    made = requests.post(
        callbacks, headers=headers(), json={"type": "company", "url": url, "objectId": 1}, timeout=5
    )

    sandbox.psas["connectwise"].change(
        {"do": "change", "kind": "companies", "id": 20002, "values": {"name": "Told"}}
    )

    assert made.status_code == 201
    assert arrived.wait(5)
    listener.shutdown()
    listener.server_close()
    path, body, signed = received[0]
    told = json.loads(body)
    assert path == "/hook?recordId=20002&action=updated"
    assert (told["Action"], told["Type"], told["ID"]) == ("updated", "company", 20002)
    assert json.loads(told["Entity"])["name"] == "Told"
    assert signed == signature(body)
    one = f"{callbacks}/{made.json()['id']}"
    assert requests.delete(one, headers=headers(), timeout=5).status_code == 204
    assert requests.get(callbacks, headers=headers(), timeout=5).json() == []
