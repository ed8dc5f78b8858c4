"""SIGKILL at any moment: nothing is lost, nothing is doubled, and nobody has to help.

The plan of a run follows from one number, which a failure tells; `CHAOS_SEED=that` plays it again.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.sandbox.server import SandboxServer
from tests.processes.conftest import ROOT, Installation, free_port, installed, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

KILLS = 20
#: A dead worker's lease (30 s), the sweep after it (10 s), and the work itself.
HEALED_SECONDS = 60
ACTIVE = ("queued", "running")
PSAS = ("connectwise", "autotask", "kaseya_bms")


class Redis:
    """A broker of the test's own: it keeps what it has on disk, or forgets it when it is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self, installation: Installation) -> subprocess.Popen[bytes]:
        self.folder.mkdir(exist_ok=True)
        return installation.start_process(
            "redis", "redis-server", "--bind", "127.0.0.1", "--port", str(self.port),
            "--dir", str(self.folder), "--save", "", "--appendonly", "yes",
        )  # fmt: skip

    def forget(self) -> None:
        shutil.rmtree(self.folder)


class Victims:
    """The processes that get killed, and their successors."""

    def __init__(self, installation: Installation, redis: Redis | None) -> None:
        self.installation, self.redis = installation, redis
        self.broker = redis.start(installation) if redis else None
        self.web = installation.start_web()
        self.worker = installation.start_worker()

    def revive_worker(self) -> None:
        """What `restart: unless-stopped` does for a worker that the loss of its broker has ended.

        kombu's Redis transport may fail over giving messages back to a broker that is not there.
        """
        if self.worker.poll() is not None:
            print("the worker ended by itself")
            self.installation.kill(self.worker)
            self.worker = self.installation.start_worker()

    def kill(self, victim: str) -> None:
        """SIGKILL one of them and start it again at once."""
        made = self.installation
        if victim == "web":
            made.kill(self.web)
            self.web = made.begin_web()
        elif victim == "worker":
            made.kill(self.worker)
            self.worker = made.start_worker()
        elif self.redis is None:  # the folder is the broker
            for path in (made.var / "broker").rglob("*"):
                if path.is_file():
                    path.unlink(missing_ok=True)
        else:
            made.kill(self.broker)
            if victim == "forgetful broker":
                self.redis.forget()
            self.broker = self.redis.start(made)


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(seed=3, companies=100) as server:
        server.faults.switch_on("latency", ms=40)
        server.faults.switch_on("small_pages", most=15)
        yield server


@pytest.fixture
def redis(tmp_path: Path) -> Redis | None:
    if not os.environ.get("DATABASE_URL"):
        return None
    if shutil.which("redis-server") is None:
        pytest.skip("needs redis-server")
    return Redis(tmp_path / "redis")


@pytest.fixture
def installation(
    tmp_path: Path, sandbox: SandboxServer, redis: Redis | None
) -> Iterator[Installation]:
    """Nothing runs yet. Embedded in the SQLite run; PostgreSQL and a Redis of its own else."""
    postgres = os.environ.get("DATABASE_URL", "")
    url = redis.url if redis else ""
    with installed(tmp_path, sandbox, postgres=postgres, broker_url=url) as made:
        yield made


@pytest.fixture
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, sandbox: SandboxServer
) -> Iterator[Future[Installation]]:
    """An installation that reads the same sandbox, and whose processes nobody kills.

    It is connected and has everything imported once it is there.
    """

    def begin() -> Installation:
        var = tmp_path_factory.mktemp("undisturbed")
        with installed(var, sandbox) as made:
            typed = {psa: sandbox.credentials(psa) for psa in PSAS}
            ask(made, "begin", json.dumps(typed))
        return made

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(begin)


def ask(installation: Installation, *question: str) -> str:
    """What tests/processes/undisturbed.py says in this installation's environment."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.processes.undisturbed", *question],
        cwd=ROOT,
        env={**installation.env, "DJANGO_SETTINGS_MODULE": "audit_site.settings"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


class Client:
    """Another program that uses the REST API and never gives up.

    Whatever does not come through is sent again, with the same `Idempotency-Key`.
    """

    def __init__(self, installation: Installation) -> None:
        self._url = f"{installation.url}/api/v1"
        self._headers = dict(installation.session.headers)
        self.posting = threading.Event()
        self.runs: Counter[str] = Counter()

    def get(self, path: str) -> Any:
        return self._insist("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self._insist("POST", path, body, {"Idempotency-Key": str(uuid.uuid4())})

    def sync(self, path: str) -> str:
        """Start a run, or find the one under way; its id."""
        run: str = self.post(path)["id"]
        self.runs[run] += 1
        return run

    def import_all(self, integration: str, external_ids: Sequence[str]) -> None:
        body = {"integration": integration, "external_ids": list(external_ids)}
        answer = self.post("/companies/import/", body)
        assert answer["rejected"] == []
        assert len(answer["imported"]) == len(external_ids)
        self.runs[answer["sync_run"]["id"]] += 1

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


def test_sigkill_at_any_moment_loses_and_doubles_nothing(
    installation: Installation,
    sandbox: SandboxServer,
    redis: Redis | None,
    undisturbed: Future[Installation],
) -> None:
    seed = os.environ.get("CHAOS_SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"CHAOS_SEED={seed}")
    dice = random.Random(f"{seed} kills")
    victims = Victims(installation, redis)
    installation.sign_in()
    client = Client(installation)
    wait_for(installation.is_ready)
    connectwise = connect(client, sandbox, "connectwise")
    wait_for(lambda: last_sync(client, connectwise).get("state") == "succeeded")
    ids = importable(client, connectwise)
    first, later = ids[:20], ids[20:]
    client.import_all(connectwise, first)
    quiet = undisturbed.result()
    wait_for(lambda: not under_way(client))

    ended = threading.Event()
    story = Story(client, sandbox, random.Random(f"{seed} story"), connectwise, first, later)
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(story.tell, ended)
        begun = time.monotonic()
        try:
            for number in range(KILLS):
                victim = dice.choices(
                    ("worker", "web", "broker", "forgetful broker"), weights=(8, 7, 2, 3)
                )[0]
                await_moment(dice, victim, client, sandbox)
                victims.revive_worker()
                assert not told.done(), told.result()
                print(f"{number} {time.monotonic() - begun:6.2f} s {victim}")
                victims.kill(victim)
        finally:
            ended.set()
        told.result(timeout=HEALED_SECONDS)
    print(f"last kill {time.monotonic() - begun:.2f} s")

    def rests() -> bool:
        victims.revive_worker()
        return not under_way(client)

    wait_for(rests, HEALED_SECONDS)
    print(f"healed {time.monotonic() - begun:.2f} s")
    sandbox.faults.clear("latency")
    for psa in PSAS[1:]:
        missing = importable(client, story.integrations[psa], "&linked=false")
        if missing:
            client.import_all(story.integrations[psa], missing)
    again = [client.sync(f"/integrations/{id_}/sync/") for id_ in story.integrations.values()]
    ask(quiet, "again")
    wait_for(lambda: not under_way(client), HEALED_SECONDS)
    final = [client.sync(f"/integrations/{id_}/sync/") for id_ in story.integrations.values()]
    wait_for(lambda: not under_way(client), HEALED_SECONDS)

    runs = {run["id"]: run for run in client.all("/sync-runs/")}
    assert Counter(run["state"] for run in runs.values()) == {"succeeded": len(runs)}
    assert not set(again) & set(final)
    for id_ in final:
        for kind, counts in runs[id_]["counts"].items():
            assert counts["unchanged"] == counts["seen"] > 0, (kind, counts)
    assert {id_ for id_, run in runs.items() if run["trigger"] != "connect"} == set(client.runs)
    assert Counter(run["trigger"] for run in runs.values())["connect"] == len(PSAS)
    print(f"done {time.monotonic() - begun:.2f} s")
    here, there = json.loads(ask(installation, "state")), json.loads(ask(quiet, "state"))
    for table, rows in there.items():
        assert here[table] == rows, table


def await_moment(
    dice: random.Random, victim: str, client: Client, sandbox: SandboxServer
) -> None:
    """A random moment at which there is something to lose: in the middle of a request to us, or
    some requests to the PSA later.
    """
    until = time.monotonic() + 2.5
    if victim == "web":
        client.posting.clear()
        client.posting.wait(2.5)
        time.sleep(dice.uniform(0, 0.06))
        return
    seen = len(sandbox.requests()) + dice.randint(1, 60)
    while len(sandbox.requests()) < seen and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(dice.uniform(0, 0.1))


class Story:
    """What people and the PSA do meanwhile."""

    def __init__(
        self,
        client: Client,
        sandbox: SandboxServer,
        dice: random.Random,
        connectwise: str,
        first: list[str],
        later: list[str],
    ) -> None:
        self.client, self.sandbox, self.dice = client, sandbox, dice
        self.first = first
        self.portions = [later[start : start + 8] for start in range(0, len(later), 8)]
        self.integrations = {"connectwise": connectwise}
        listed = client.all(f"/companies/")
        self.companies = [company["id"] for company in listed]
        self.changes = Changes(sandbox, dice, first)

    def tell(self, ended: threading.Event) -> None:
        client, dice = self.client, self.dice
        for psa in PSAS[1:]:
            self.integrations[psa] = connect(client, self.sandbox, psa)
        while self.portions or not ended.is_set():
            self.changes.make_one()
            if self.portions and dice.random() < 0.3:
                client.import_all(self.integrations["connectwise"], self.portions.pop())
            elif dice.random() < 0.3:
                client.sync(f"/integrations/{self.integrations['connectwise']}/sync/")
            else:
                client.sync(f"/companies/{dice.choice(self.companies)}/sync/")
            ended.wait(dice.uniform(0.05, 0.4))


class Changes:
    """Changes in the sandbox ConnectWise, of the companies that were imported first.

    What came during the test is never deleted again: whoever was not looking has never seen it.
    """

    def __init__(self, sandbox: SandboxServer, dice: random.Random, companies: list[str]) -> None:
        self.psa: Any = sandbox.psas["connectwise"]
        self.dice = dice
        data = self.psa.data
        owners = {int(id_) for id_ in companies}
        self.companies = sorted(owners)
        self.contacts = sorted(id_ for owner in owners for id_ in data.contacts_of[owner])
        self.agreements = sorted(id_ for owner in owners for id_ in data.agreements_of[owner])
        self.additions = sorted(
            id_ for agreement in self.agreements for id_ in data.additions[agreement]
        )

    def make_one(self) -> None:
        dice = self.dice
        number = dice.randrange(1, 10_000)
        match dice.randrange(8):
            case 0:
                self._do("change", "companies", dice.choice(self.companies), name=f"Name {number}")
            case 1:
                person = dice.choice(self.contacts)
                self._do("change", "contacts", person, lastName=f"Person {number}")
            case 2:
                self._do("delete", "contacts", self._taken(self.contacts))
            case 3 | 4:
                agreement = dice.choice(self.agreements)
                self._do("change", "agreements", agreement, billAmount=number / 100)
            case 5:
                self._do("delete", "agreements", self._taken(self.agreements))
            case 6:
                line = self._line(dice.choice)
                self._do("change", "additions", line, quantity=number / 10)
            case 7:
                self._do("delete", "additions", self._line(self._taken))

    def _line(self, choose: Any) -> int:
        left = self.psa.data.agreements
        self.additions = [id_ for id_ in self.additions if id_ // 100 in left]
        chosen: int = choose(self.additions)
        return chosen

    def _taken(self, ids: list[int]) -> int:
        return ids.pop(self.dice.randrange(len(ids)))

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
