"""What people and PSAs do meanwhile, and a client that nothing impresses."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any

import requests

from integrations.sandbox.server import SandboxServer
from tests.processes.installation import HEALED_SECONDS, Installation, wait_for

ACTIVE = ("queued", "running")
#: Nobody asks for more while so many runs are under way: it is killing that is tried, not crowds.
MOST_RUNS = 16
PSAS = ("connectwise", "autotask", "kaseya_bms")


class Client:
    """Another program that uses the REST API and never gives up.

    Whatever does not come through is sent again, with the same `Idempotency-Key`.
    """

    def __init__(self, installation: Installation) -> None:
        self._url = f"{installation.url}/api/v1"
        self._headers = dict(installation.session.headers)
        self.posting = threading.Event()
        self.runs: set[str] = set()

    def get(self, path: str) -> Any:
        return self._insist("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self._insist("POST", path, body, {"Idempotency-Key": str(uuid.uuid4())})

    def sync(self, path: str) -> str:
        """Start a run, or find the one under way; its id."""
        run: str = self.post(path)["id"]
        self.runs.add(run)
        return run

    def import_all(self, integration: str, external_ids: Sequence[str]) -> list[str]:
        """Import PSA companies; the ids of the companies that they are here."""
        body = {"integration": integration, "external_ids": list(external_ids)}
        answer = self.post("/companies/import/", body)
        assert answer["rejected"] == []
        assert len(answer["imported"]) == len(external_ids)
        self.runs.add(answer["sync_run"]["id"])
        return [company["id"] for company in answer["imported"]]

    def all(self, path: str) -> list[Any]:
        found = []
        following = f"{self._url}{path}{'&' if '?' in path else '?'}page_size=200"
        while following:
            page = self.get(following.removeprefix(self._url))
            found += page["results"]
            following = page["next"]
        return found

    def _insist(self, method: str, path: str, body: Any = None, more: Any = None) -> Any:
        until = time.monotonic() + HEALED_SECONDS
        answer = None
        while time.monotonic() < until:
            if method == "POST":
                self.posting.set()
            try:
                answer = requests.request(
                    method,
                    self._url + path,
                    json=body,
                    headers={**self._headers, **(more or {})},
                    timeout=10,
                )
            except requests.RequestException:
                time.sleep(0.02)
                continue
            if answer.status_code == 409 and answer.json()["code"] == "request_in_progress":
                time.sleep(0.2)
                continue
            assert answer.status_code < 400, answer.text
            return answer.json()
        raise AssertionError(f"{method} {path} never came through: {answer and answer.text}")


class Story:
    """What people and the PSA do meanwhile: connect two more PSAs, import in portions, sync."""

    def __init__(
        self,
        client: Client,
        sandbox: SandboxServer,
        dice: random.Random,
        connectwise: str,
        to_import: list[str],
        changes: Changes,
    ) -> None:
        self.client, self.sandbox, self.dice, self.changes = client, sandbox, dice, changes
        self.connectwise = connectwise
        self.integrations = [connectwise]
        self.portions = [to_import[start : start + 4] for start in range(0, len(to_import), 4)]
        self.companies = [company["id"] for company in client.all("/companies/")]

    def tell(self, ended: threading.Event) -> None:
        client, dice = self.client, self.dice
        for psa in PSAS[1:]:
            self.integrations.append(connect(client, self.sandbox, psa))
        while self.portions or not ended.is_set():
            self.changes.make_one()
            if len(under_way(client)) >= MOST_RUNS:
                pass
            elif self.portions and dice.random() < 0.3:
                self.companies += client.import_all(self.connectwise, self.portions.pop())
            elif dice.random() < 0.3:
                client.sync(f"/integrations/{self.connectwise}/sync/")
            else:
                client.sync(f"/companies/{dice.choice(self.companies)}/sync/")
            ended.wait(dice.uniform(0.05, 0.4))


class Changes:
    """Changes in the sandbox ConnectWise, of the companies that were imported first.

    Whoever looks only before and after must come to the same: what came meanwhile is never deleted
    again, and what is deleted was never changed.
    """

    def __init__(self, sandbox: SandboxServer, dice: random.Random, companies: list[str]) -> None:
        self.psa: Any = sandbox.psas["connectwise"]
        self.dice, self.data = dice, self.psa.data
        self.companies = [int(id_) for id_ in companies]
        people, agreements = (
            sorted(id_ for owner in self.companies for id_ in index[owner])
            for index in (self.data.contacts_of, self.data.agreements_of)
        )
        self.contacts, self.doomed_contacts = people[::2], people[1::2]
        self.agreements, self.doomed_agreements = agreements[::3], agreements[1::3]
        others = agreements[::3] + agreements[2::3]
        lines = sorted(id_ for agreement in others for id_ in self.data.additions[agreement])
        self.lines, self.doomed_lines = lines[::2], lines[1::2]
        self.made = 0
        self.deleted = Counter[str]()

    def make_one(self) -> None:
        choose = self.dice.choice
        self.made += 1
        number = self.made
        match self.dice.randrange(9):
            case 0:
                self._do("change", "companies", choose(self.companies), name=f"Name {number}")
            case 1:
                self._do("change", "contacts", choose(self.contacts), lastName=f"Person {number}")
            case 2:
                owner = self.data.companies[choose(self.companies)]
                ref = {"id": owner["id"], "name": owner["name"]}
                self._do("add", "contacts", 900_000 + number, company=ref, firstName="New")
            case 3:
                self._delete("contacts", self.doomed_contacts)
            case 4 | 5:
                self._do("change", "agreements", choose(self.agreements), billAmount=number / 4)
            case 6:
                self._delete("agreements", self.doomed_agreements)
            case 7:
                self._do("change", "additions", choose(self.lines), quantity=number / 4)
            case 8:
                self._delete("additions", self.doomed_lines)

    def _delete(self, kind: str, doomed: list[int]) -> None:
        if not doomed:
            return
        id_ = doomed.pop(self.dice.randrange(len(doomed)))
        self.deleted["lines" if kind == "additions" else kind] += 1
        if kind == "agreements":  # its lines go with it
            self.deleted["lines"] += len(self.data.additions[id_])
        self._do("delete", kind, id_)

    def _do(self, do: str, kind: str, id_: int, **values: Any) -> None:
        self.psa.change({"do": do, "kind": kind, "id": id_, "values": values})


def connect(client: Client, sandbox: SandboxServer, psa: str) -> str:
    body = {"psa": psa, "credentials": sandbox.credentials(psa)}
    integration: str = client.post("/integrations/", body)["id"]
    return integration


def last_sync(client: Client, integration: str) -> Any:
    return client.get(f"/integrations/{integration}/")["last_sync"] or {}


def importable(client: Client, integration: str, more: str = "") -> list[str]:
    rows = client.all(f"/integrations/{integration}/psa-companies/?importable=true{more}")
    return [row["external_id"] for row in rows]


def under_way(client: Client) -> list[Any]:
    """Runs that have not ended, and integrations whose test has not."""
    testing = [row for row in client.all("/integrations/") if row["status"] == "testing"]
    return testing + [run for state in ACTIVE for run in client.all(f"/sync-runs/?state={state}")]


def begin_import(client: Client, integration: str, external_ids: list[str]) -> set[str]:
    """Import some companies and wait until their agreements are being read; the run's id."""
    before = set(client.runs)
    client.import_all(integration, external_ids)
    started = client.runs - before
    for run in started:
        wait_for(
            lambda run=run: client.get(f"/sync-runs/{run}/")["phase"] in {"rules", "agreements"}
        )
    return started
