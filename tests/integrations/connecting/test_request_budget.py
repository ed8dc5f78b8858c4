"""What all workers together ask of an account: so much at once, and less after a refusal."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit_site.tenants.models import Tenant, User
from integrations.connecting import budget_store
from integrations.connecting.open_adapter import budget_of
from integrations.connecting.request_budget import Budget
from integrations.models import PsaCompanyRecord, PsaContactRecord, SyncRun
from integrations.psa import growth
from integrations.psa.errors import PsaRateLimited
from integrations.psa.growth import FIRST_ANSWERS
from integrations.runs import leases, shutdown
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from tests.clients import browser, text
from tests.conftest import connect
from tests.databases import ROOT
from tests.syncing import import_all, synced
from tests.worker import work_off


def turns(account: str, places: int) -> Any:
    """Turns at endpoints that take so many at once, in an account that takes any number."""
    return Budget(account, places=100, endpoint_places=places).turn


@pytest.fixture(params=["memory", "redis"])
def shared(request: Any, settings: Any) -> str:
    if request.param == "redis":
        redis = os.environ.get("TEST_REDIS_URL", "")
        if not redis:
            pytest.skip("needs Redis")
        backend = "django.core.cache.backends.redis.RedisCache"
        settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": redis}}
    return f"account-{uuid.uuid4()}"


@pytest.fixture
def never_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy this machine is, no answer counts as slow."""
    monkeypatch.setattr(growth, "BEARABLE", float("inf"))


class Crowd:
    """Counts who is inside of each endpoint at the same time."""

    def __init__(self) -> None:
        self.inside: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self._lock = threading.Lock()

    def visit(self, take: Any, endpoint: str) -> None:
        with take(endpoint):
            with self._lock:
                self.inside[endpoint] += 1
                self.most[endpoint] = max(self.most[endpoint], self.inside[endpoint])
            time.sleep(0.01)
            with self._lock:
                self.inside[endpoint] -= 1


def test_places_are_kept_and_each_endpoint_has_its_own(shared: str) -> None:
    crowd = Crowd()
    workers = [turns(shared, 3) for _ in range(2)]  # two pieces of work of one account

    with ThreadPoolExecutor(12) as pool:
        for number in range(36):
            endpoint = "Contracts" if number % 3 else "Contacts"
            pool.submit(crowd.visit, workers[number % 2], endpoint)

    assert crowd.most["Contracts"] == 3
    assert 1 <= crowd.most["Contacts"] <= 3


def test_an_error_inside_gives_the_place_back(shared: str) -> None:
    take = turns(shared, 1)

    for _ in range(3):
        with pytest.raises(PsaRateLimited), take("Contracts"):
            raise PsaRateLimited("no")


#: A worker that takes the only place of an account until it is killed. A place lasts a second.
HOLDER = """
import sys, time, django
django.setup()
from django.core.cache import cache
from integrations.connecting import budget_store, request_budget
budget_store.PLACE_SECONDS, budget_store.KEEP_SECONDS = 1, 0.2
take = request_budget.Budget(sys.argv[1], places=1).turn
"""
HOLDS_ONE = """
with take():
    print("taken", flush=True)
    time.sleep(60)
"""
#: The first place has run out, Redis knows it no more, and another thread has taken it.
HOLDS_ANOTHER = """
with take():
    cache.delete(f"budget:{sys.argv[1]}:place:0")
    second = take()
    second.__enter__()
print("taken", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("how", [HOLDS_ONE, HOLDS_ANOTHER], ids=["one", "another"])
def test_a_place_is_kept_while_its_worker_lives_and_free_when_it_was_killed(
    settings: Any, how: str
) -> None:
    redis = os.environ.get("TEST_REDIS_URL", "")
    if not redis:
        pytest.skip("needs Redis: in memory a killed worker takes its places with it")
    backend = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": redis}}
    account = f"account-{uuid.uuid4()}"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER + how, account],
        cwd=ROOT,
        env={
            **os.environ,
            "CELERY_BROKER_URL": redis,
            "DJANGO_SETTINGS_MODULE": "audit_site.settings",
        },
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"taken\n"

    def take() -> None:
        with Budget(account, places=1).turn():
            pass

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(take)
        time.sleep(2)
        was_kept = not waiting.done()
        holder.kill()
        waiting.result(timeout=10)
    holder.wait()
    assert was_kept


def test_places_outlive_two_signs_of_life_and_not_a_dead_workers_lease() -> None:
    assert 2 * budget_store.KEEP_SECONDS < budget_store.PLACE_SECONDS < leases.LEASE.total_seconds()


@pytest.mark.parametrize("seconds", [15, 0])
def test_who_waits_for_a_turn_is_free_at_once_when_the_worker_must_end(
    shared: str, seconds: int
) -> None:
    """At the gate that the PSA named, or for a place."""
    budget, holder = Budget(shared, places=1), Budget(shared, places=1)
    if seconds:
        budget.slow_down(seconds)
        taken = nullcontext()
    else:
        taken = holder.turn()

    def enter_and_leave() -> None:
        with budget.turn():
            pass

    with taken, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(enter_and_leave)
        time.sleep(0.3)
        assert not waiting.done()
        shutdown.requested.set()
        try:
            with pytest.raises(shutdown.WorkerEnding):
                waiting.result(timeout=5)
        finally:
            shutdown.requested.clear()


def test_without_redis_work_waits_and_is_then_given_back(settings: Any, monkeypatch: Any) -> None:
    backend = "django.core.cache.backends.redis.RedisCache"
    nobody = "redis://127.0.0.1:1/0"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": nobody}}
    monkeypatch.setattr(budget_store, "PATIENCE_SECONDS", 0.6)

    began = time.monotonic()
    with pytest.raises(PsaRateLimited) as caught, turns("account", 3)("Contracts"):
        raise AssertionError("nobody can have given a turn")

    assert time.monotonic() - began > 0.6
    assert caught.value.retry_after == 0.6


def test_an_account_takes_so_many_at_once_whatever_the_endpoint(shared: str) -> None:
    crowd = Crowd()
    workers = [Budget(shared, places=4).turn for _ in range(2)]

    def visit(number: int) -> None:
        with workers[number % 2](f"endpoint {number}"):
            crowd.visit(lambda _: nullcontext(), "account")

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(visit, range(36)))

    assert crowd.most["account"] == 4


def answers(budget: Budget, number: int, seconds: float = 0.1) -> None:
    """So many answers of one kind, one after the other."""
    for _ in range(number):
        with budget.turn():
            budget.answered("GET /lines", seconds)


def test_what_is_asked_at_once_grows_by_answers_for_everybody(shared: str) -> None:
    mine, theirs = (Budget(shared, places=4, most=16) for _ in range(2))

    answers(mine, FIRST_ANSWERS)
    assert theirs.places() == 4
    answers(mine, 4)
    assert theirs.places() == 5
    answers(theirs, 5)
    assert mine.places() == 6
    answers(mine, sum(range(6, 20)))
    assert (mine.places(), theirs.places()) == (16, 16)


def test_when_answers_get_slow_less_is_asked_at_once(shared: str) -> None:
    mine, theirs = (Budget(shared, places=4, most=16) for _ in range(2))
    answers(mine, FIRST_ANSWERS + sum(range(4, 12)))
    assert theirs.places() == 12

    answers(theirs, 12, seconds=0.16)

    assert mine.places() == 9


def test_who_begins_after_a_while_begins_with_what_the_psa_takes(
    shared: str, time_machine: Any
) -> None:
    moment = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
    time_machine.move_to(moment, tick=False)
    answers(Budget(shared, places=4, most=16), FIRST_ANSWERS + 4)

    time_machine.move_to(moment + timedelta(seconds=59), tick=False)
    assert Budget(shared, places=4, most=16).places() == 5
    time_machine.move_to(moment + timedelta(seconds=60), tick=False)
    assert Budget(shared, places=4, most=16).places() == 4


def test_a_refusal_halves_what_is_asked_at_once_and_answers_bring_it_back(
    shared: str, time_machine: Any
) -> None:
    """Not to what was refused, until that is forgotten."""
    moment = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
    time_machine.move_to(moment, tick=False)
    mine, theirs = Budget(shared, places=8), Budget(shared, places=8)
    assert theirs.places() == 8

    with mine.turn():
        mine.slow_down(None)
    assert theirs.places() == 4
    with theirs.turn():
        theirs.slow_down(None)
    assert mine.places() == 2

    time_machine.move_to(moment + timedelta(seconds=1), tick=False)
    answers(mine, FIRST_ANSWERS + 2)
    assert theirs.places() == 3
    answers(mine, 20)
    assert theirs.places() == 3
    time_machine.move_to(moment + timedelta(seconds=600), tick=False)
    assert theirs.places() == 8

    mine.slow_down(None)
    mine.forget()
    assert theirs.places() == 8


def test_a_psa_that_is_down_halves_and_is_asked_as_much_again_later(shared: str) -> None:
    budget = Budget(shared, places=8)
    with budget.turn():
        budget.slow_down(None, teaches=False)
    assert budget.places() == 4

    answers(budget, FIRST_ANSWERS + 4 + 5 + 6 + 7 + 8)

    assert budget.places() == 8


def test_answers_that_were_under_way_when_something_was_refused_say_nothing(shared: str) -> None:
    budget = Budget(shared, places=2, most=16)
    answers(budget, FIRST_ANSWERS)

    with budget.turn():
        budget.slow_down(None)
        for _ in range(5):
            budget.answered("GET /lines", 0.1)

    assert budget.places() == 1


def test_nobody_asks_before_the_moment_that_the_psa_named(shared: str) -> None:
    mine, theirs = Budget(shared, places=4), Budget(shared, places=4)

    mine.slow_down(0.5)
    began = time.monotonic()
    with theirs.turn():
        waited = time.monotonic() - began
    assert 0.3 < waited < 2

    mine.slow_down(300)
    with pytest.raises(PsaRateLimited) as caught, theirs.turn():
        raise AssertionError("it is nobody's turn")
    assert 290 < caught.value.retry_after <= 300


def test_of_a_burst_of_refusals_the_first_one_halves(shared: str) -> None:
    mine, theirs = Budget(shared, places=8), Budget(shared, places=8)

    with ExitStack() as under_way:
        for budget in (mine, theirs) * 2:
            under_way.enter_context(budget.turn())
        for budget in (mine, theirs) * 2:
            budget.slow_down(0)
    assert mine.places() == 4

    with theirs.turn():
        theirs.slow_down(0)
    assert mine.places() == 2


def test_who_waited_for_a_place_keeps_to_the_moment_that_the_psa_named(shared: str) -> None:
    budget, waiting = Budget(shared, places=1), threading.Event()

    def ask() -> float:
        waiting.set()
        with budget.turn():
            return time.monotonic()

    with ThreadPoolExecutor(1) as pool:
        with budget.turn():
            second = pool.submit(ask)
            waiting.wait()
            time.sleep(0.2)  # it has passed the gate, and waits for our place
            named = time.monotonic() + 0.6
            budget.slow_down(0.6)
        assert second.result() >= named - 0.05

    with budget.turn():
        budget.slow_down(300)
    with pytest.raises(PsaRateLimited), budget.turn():
        raise AssertionError("it is nobody's turn")


def test_of_refusals_at_the_same_moment_the_longest_wait_counts(
    shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = Budget(shared, places=8)
    store: Any = type(budget._store)
    known = store.known

    def slow(self: Any, key: str) -> Any:
        found = known(self, key)
        time.sleep(0.05)  # what was read is old by now
        return found

    monkeypatch.setattr(store, "known", slow)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(budget.slow_down, [300, *[50] * 7]))

    with pytest.raises(PsaRateLimited) as caught, budget.turn():
        raise AssertionError("it is nobody's turn")
    assert 290 < caught.value.retry_after <= 300


def test_autotask_sees_three_at_once_whatever_runs(
    tenant: Tenant, sandbox: SandboxServer, settings: Any
) -> None:
    """The sandbox refuses a fourth with 429: nobody gets to see that."""
    integration = connect(tenant, sandbox, "autotask")
    sandbox.faults.switch_on("latency", ms=15)
    adapters = [turns(str(integration.pk), 3) for _ in range(6)]
    import requests  # noqa: PLC0415

    keys = sandbox.credentials("autotask")
    headers = {
        "UserName": keys["username"],
        "Secret": keys["secret"],
        "ApiIntegrationCode": keys["tracking_identifier"],
    }
    address = f"{sandbox.url}/autotask/ATServicesRest/V1.0/Contacts/query"
    body = {"filter": [{"op": "gte", "field": "id", "value": 0}], "MaxRecords": 1}

    def ask(take: Any) -> int:
        with take("Contacts"):
            return requests.post(address, json=body, headers=headers, timeout=5).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(ask, adapters * 3))

    assert statuses == [200] * 18
    psa: Any = sandbox.psas["autotask"]
    assert psa.most_at_once["Contacts"] == 3


@pytest.mark.parametrize(
    ("psa", "most", "peaks"),
    [("connectwise", 16, range(5, 17)), ("connectwise", 4, range(4, 5)),
     ("kaseya_bms", 16, range(5, 17)), ("autotask", 16, range(1, 7))],
)  # fmt: skip
@pytest.mark.usefixtures("never_slow")
def test_a_sync_asks_for_more_at_once_where_the_psa_bears_it(
    tenant: Tenant, sandbox: SandboxServer, settings: Any, psa: str, most: int, peaks: range
) -> None:
    settings.PSA_MOST_REQUESTS = most
    integration = connect(tenant, sandbox, psa)
    import_all(integration)
    watched = sandbox.faults.switch_on("crowded", most=1000)
    sandbox.faults.switch_on("latency", ms=30)

    run = synced(integration)

    assert (run.state, sum(r["status"] == 429 for r in sandbox.requests())) == ("succeeded", 0)
    assert watched.options["peak"] in peaks


@pytest.mark.usefixtures("never_slow")
def test_a_psa_that_bears_six_at_once_refuses_few(tenant: Tenant, sandbox: SandboxServer) -> None:
    integration = connect(tenant, sandbox, "connectwise")
    import_all(integration)
    sandbox.faults.switch_on("crowded", most=6)
    sandbox.faults.switch_on("latency", ms=30)

    def refusals_of_a_sync() -> int:
        sandbox.forget_requests()
        run = synced(integration)
        assert run.state == "succeeded"
        return sum(request["status"] == 429 for request in sandbox.requests())

    refused = refusals_of_a_sync(), refusals_of_a_sync()

    assert 1 <= sum(refused) <= 8
    assert 1 <= budget_of(integration).places() <= 6


@pytest.mark.parametrize(
    ("psa", "fault"),
    [
        ("autotask", {"name": "hourly_budget", "used": 9_500}),
        ("autotask", {"name": "hourly_budget", "allowed": 0, "path": ""}),
        ("kaseya_bms", {"name": "hourly_budget", "allowed": 0, "path": "/v2/crm/contacts"}),
        ("connectwise", {"name": "rate_limited", "path": "/contacts", "retry_after": 300}),
    ],
)
def test_a_spent_budget_is_waited_out_and_shown(
    alex: User, tenant: Tenant, sandbox: SandboxServer, psa: str, fault: dict[str, Any]
) -> None:
    integration = connect(tenant, sandbox, psa)
    name = integration.name
    before = (PsaCompanyRecord.objects.count(), PsaContactRecord.objects.count())
    sandbox.faults.switch_on(**fault)

    run, _ = start_sync_run(integration=integration)
    work_off()

    run.refresh_from_db()
    assert (run.state, run.waiting_for) == ("running", f"Waiting for {name}")
    assert run.resume_at is not None
    assert timedelta(seconds=20) < run.resume_at - timezone.now() <= timedelta(seconds=300)
    page = text(browser(alex).get(f"/sync-runs/{run.pk}/"))
    assert f"Waiting for {name}" in page
    assert "goes on " in page

    sandbox.faults.clear()
    budget_of(integration).forget()
    SyncRun.objects.filter(pk=run.pk).update(resume_at=timezone.now())
    work_off()

    run.refresh_from_db()
    assert run.state == "succeeded"
    assert run.waiting_for == ""
    assert not run.resume_at
    assert (PsaCompanyRecord.objects.count(), PsaContactRecord.objects.count()) == before
    assert PsaContactRecord.objects.filter(gone_at=None).count() == before[1]
