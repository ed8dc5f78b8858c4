"""SIGKILL at any moment: nothing is lost, nothing is doubled, and nobody has to help.

The plan of a run follows from one number, which a failure tells; `CHAOS_SEED=that` plays it again.
"""

from __future__ import annotations

import json
import os
import random
import shutil
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
from tests.processes.test_processes import mrr_of_all, truth

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

#: A dead worker's lease (20 s), the sweep after it (5 s), and the work itself.
HEALED_SECONDS = 60
#: Nobody asks for more while so many runs are under way: it is killing that is tried, not crowds.
MOST_RUNS = 16
ACTIVE = ("queued", "running")
PSAS = ("connectwise", "autotask", "kaseya_bms")
#: Whom they hit, in an order that the dice decide.
VICTIMS = ("worker",) * 7 + ("web",) * 6 + ("broker",) * 2 + ("forgetful broker",) * 5


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

    def revive_worker(self) -> bool:
        """Start a worker that is not there; whether there was none.

        It is what `restart: unless-stopped` does for a worker that the loss of its broker has ended.

        kombu's Redis transport may fail over giving messages back to a broker that is not there.
        """
        if self.worker.poll() is not None:
            print("the worker ended by itself")
            self.installation.kill(self.worker)  # its children
            self.worker = self.installation.start_worker()
            return True
        return False

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

    def deploy(self) -> int:
        """SIGTERM to web and worker, and the next version; how the worker ended."""
        made = self.installation
        for process in (self.web, self.worker):
            process.terminate()
        ended = self.worker.wait(HEALED_SECONDS)
        made.kill(self.web)
        self.web, self.worker = made.start_web(), made.start_worker()
        return ended


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(seed=3, companies=60) as server:
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

    var = tmp_path_factory.mktemp("undisturbed")

    def begin() -> Installation:
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


def test_sigkill_at_any_moment_loses_and_doubles_nothing(
    undisturbed: Future[Installation],
    installation: Installation,
    sandbox: SandboxServer,
    redis: Redis | None,
) -> None:
    seed = os.environ.get("CHAOS_SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"CHAOS_SEED={seed}")
    victims = Victims(installation, redis)
    installation.sign_in()
    client = Client(installation)
    connectwise = connect(client, sandbox, "connectwise")
    wait_for(lambda: last_sync(client, connectwise).get("state") == "succeeded")
    ids = importable(client, connectwise)
    client.import_all(connectwise, ids[:15])
    quiet = undisturbed.result()
    wait_for(lambda: not under_way(client))

    sandbox.faults.switch_on("latency", ms=40)
    changes = Changes(sandbox, dice_of(seed, "changes"), ids[:15])
    story = Story(client, sandbox, dice_of(seed, "story"), connectwise, ids[15:], changes)
    kill_at_random(victims, story, dice_of(seed, "kills"))
    began = time.monotonic()
    wait_for(
        lambda: not victims.revive_worker() and not under_way(client),
        HEALED_SECONDS,
        tell=lambda: under_way(client),
    )
    print(f"healed {time.monotonic() - began:.1f} s after the story's end")

    sandbox.faults.clear("latency")
    for id_ in story.integrations[1:]:
        client.import_all(id_, importable(client, id_))
    again = [client.sync(f"/integrations/{id_}/sync/") for id_ in story.integrations]
    ask(quiet, "again")
    wait_for(lambda: not under_way(client), HEALED_SECONDS)
    final = [client.sync(f"/integrations/{id_}/sync/") for id_ in story.integrations]
    wait_for(lambda: not under_way(client), HEALED_SECONDS)
    assert not set(again) & set(final)

    check_runs(client, final, changes.deleted)
    here, there = json.loads(ask(installation, "state")), json.loads(ask(quiet, "state"))
    for table, rows in there["tables"].items():
        assert here["tables"][table] == rows, table
    assert here["doubled"] == there["doubled"] == []
    print(f"{here['taken_over']} pieces of work were taken over")
    assert here["taken_over"] >= 3, "the moments were too harmless to prove anything"


def test_a_run_is_given_back_at_sigterm_and_taken_over_after_sigkill(
    installation: Installation, sandbox: SandboxServer, redis: Redis | None
) -> None:
    victims = Victims(installation, redis)
    installation.sign_in()
    client = Client(installation)
    integration = connect(client, sandbox, "connectwise")
    wait_for(lambda: last_sync(client, integration).get("state") == "succeeded")
    ids = importable(client, integration)
    sandbox.faults.switch_on("latency", ms=120)

    (first,) = begin_import(client, integration, ids[: len(ids) // 2])
    assert victims.deploy() == 0, "it ends by itself, nobody has to kill it"
    assert client.get(f"/sync-runs/{first}/")["state"] == "running", "and before its run has ended"
    began = time.monotonic()
    wait_for(lambda: not under_way(client), HEALED_SECONDS)
    print(f"given back and ended {time.monotonic() - began:.1f} s after the deploy")

    (second,) = begin_import(client, integration, ids[len(ids) // 2 :])
    victims.kill("worker")
    began = time.monotonic()
    assert client.get(f"/sync-runs/{second}/")["state"] == "running"
    sandbox.faults.clear("latency")
    wait_for(lambda: not under_way(client), HEALED_SECONDS)
    print(f"taken over and ended {time.monotonic() - began:.1f} s after the kill")

    final = client.sync(f"/integrations/{integration}/sync/")
    wait_for(lambda: not under_way(client))
    runs = {run["id"]: run for run in client.all("/sync-runs/")}
    assert Counter(run["state"] for run in runs.values()) == {"succeeded": 4}
    for kind, count in runs[final]["counts"].items():
        assert count["unchanged"] == count["seen"] > 0, kind
    for kind in ("agreements", "lines"):
        seen = [runs[run]["counts"][kind]["seen"] for run in (first, second, final)]
        assert seen[0] + seen[1] == seen[2], kind
    assert mrr_of_all(installation) == truth(installation)


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


def dice_of(seed: str, purpose: str) -> random.Random:
    return random.Random(f"{seed} {purpose}")  # noqa: S311


def kill_at_random(victims: Victims, story: Story, dice: random.Random) -> None:
    """Kill at twenty random moments while the story is told."""
    ended, begun = threading.Event(), time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(story.tell, ended)
        try:
            for number, victim in enumerate(dice.sample(VICTIMS, len(VICTIMS)), 1):
                await_moment(dice, victim, story)
                assert not told.done(), told.result()
                print(f"{number:2} after {time.monotonic() - begun:5.2f} s: {victim}")
                victims.revive_worker()
                victims.kill(victim)
        finally:
            ended.set()
        told.result(timeout=HEALED_SECONDS)


def check_runs(client: Client, final: Sequence[str], deleted: Counter[str]) -> None:
    """All runs have ended well, each was asked for once, and none counted a page twice."""
    runs = {run["id"]: run for run in client.all("/sync-runs/")}
    assert Counter(run["state"] for run in runs.values()) == {"succeeded": len(runs)}
    started = {id_ for id_, run in runs.items() if run["trigger"] != "connect"}
    assert started == client.runs, "a request was carried out twice, or not at all"
    assert len(runs) - len(started) == len(PSAS)
    most = {runs[id_]["integration"]: runs[id_]["counts"] for id_ in final}
    for counts in most.values():
        assert counts["agreements"]["seen"] > 0
        assert all(count["unchanged"] == count["seen"] for count in counts.values())
    for run in runs.values():
        for kind, count in run["counts"].items():
            there_were = most[run["integration"]][kind]["seen"] + deleted[kind]
            assert count["seen"] <= there_were, f"a page of {kind} was counted twice"


def await_moment(dice: random.Random, victim: str, story: Story) -> None:
    """A random moment at which there is something to lose: in the middle of a request to us, or
    some requests to the PSA later.
    """
    if victim == "web":
        story.client.posting.clear()
        story.client.posting.wait(2.5)
        time.sleep(dice.uniform(0, 0.06))
        return
    until = time.monotonic() + (20 if victim == "worker" else 1)
    wanted = len(story.sandbox.requests()) + dice.randint(1, 60)
    while len(story.sandbox.requests()) < wanted and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(dice.uniform(0, 0.1))


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
