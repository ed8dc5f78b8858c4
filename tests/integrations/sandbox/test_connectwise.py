from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from integrations.sandbox.connectwise_callbacks import signature
from integrations.sandbox.connectwise_query import ConditionError, parse
from integrations.sandbox.server import SandboxServer
from tests.integrations.sandbox.asking import COMPANIES, get, headers


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


def test_a_new_release_moves_the_api(sandbox: SandboxServer) -> None:
    sandbox.faults.switch_on("new_release", times=1)
    old = "/v2025_1/apis/3.0/company/companies"

    assert get(sandbox, old).status_code == 400
    assert get(sandbox, old).text == "Cannot route. Codebase/company is invalid"
    info = requests.get(f"{sandbox.url}/login/companyinfo/audit-demo", timeout=5).json()
    assert get(sandbox, f"/{info['Codebase']}apis/3.0/company/companies").status_code == 200


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
    sent = json.loads(body)
    assert path == "/hook?recordId=20002&action=updated"
    assert (sent["Action"], sent["Type"], sent["ID"]) == ("updated", "company", 20002)
    assert json.loads(sent["Entity"])["name"] == "Told"
    assert signed == signature(body)
    one = f"{callbacks}/{made.json()['id']}"
    assert requests.delete(one, headers=headers(), timeout=5).status_code == 204
    assert requests.get(callbacks, headers=headers(), timeout=5).json() == []
