"""What the log says of a run, from the click to the call that a PSA refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from celery import current_app
from celery.signals import before_task_publish
from structlog.testing import capture_logs

from audit_site.log_context import redact
from integrations.connecting.connection_test import start_connection_test
from integrations.connecting.open_adapter import budget_of
from integrations.models import ConnectionTest, Integration, SyncRun
from integrations.runs.dispatching import dispatch, sweep
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from tests.worker import work_off

Lines = list[dict[str, Any]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    structlog.contextvars.clear_contextvars()
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as written:
        yield written
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def asked(django_capture_on_commit_callbacks: Any) -> Iterator[Callable[..., Any]]:
    """Does something in a request with this id; messages are delivered at once."""
    current_app.conf.task_always_eager = True

    def ask(request_id: str, act: Callable[..., Any], **values: Any) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            with structlog.contextvars.bound_contextvars(request_id=request_id):
                return act(**values)

    yield ask
    current_app.conf.task_always_eager = False


def of(lines: Lines, event: str) -> Lines:
    return [line for line in lines if line["event"] == event]


def test_a_test_begins_and_ends_with_the_request_that_asked_for_it(
    connected: Integration, lines: Lines, asked: Callable[..., Any]
) -> None:
    test = asked("click-1", start_connection_test, integration=connected, actor=None)

    (begun,), (ended,) = of(lines, "test_begins"), of(lines, "test_ends")
    for line in (begun, ended):
        assert line["request_id"] == "click-1"
        assert line["test_id"] == str(test.pk)
        assert line["tenant_id"] == str(connected.tenant_id)
        assert line["integration_id"] == str(connected.pk)
    assert begun["attempt"] == 1
    assert (ended["state"], ended["code"]) == ("passed", "ok")


def test_a_refused_call_is_written_with_its_path_alone(
    connected: Integration, sandbox: SandboxServer, lines: Lines, asked: Callable[..., Any]
) -> None:
    sandbox.faults.switch_on("refused_right", path="/company/contacts")

    asked("click-2", start_connection_test, integration=connected, actor=None)

    refused = of(lines, "psa_call_refused")
    assert refused
    for line in refused:
        assert line["request_id"] == "click-2"
        assert line["tenant_id"] == str(connected.tenant_id)
        assert line["code"] == "permission_denied"
        assert line["path"].endswith("/company/contacts")
        assert "?" not in line["path"]
    assert of(lines, "test_ends")[0]["code"] == "permission_denied"
    assert "demo-private" not in json.dumps(lines, default=str)


def test_a_run_keeps_the_request_when_its_message_is_lost(
    connected: Integration, lines: Lines
) -> None:
    with structlog.contextvars.bound_contextvars(request_id="click-3"):
        run, _ = start_sync_run(integration=connected)

    work_off()

    for line in lines:
        assert line["request_id"] == "click-3"
        assert line["run_id"] == str(run.pk)
        assert line["tenant_id"] == str(connected.tenant_id)
        assert line["integration_id"] == str(connected.pk)
    begun, *phases, ended = lines
    assert begun["event"] == "run_begins"
    assert (begun["trigger"], begun["scope"], begun["reading"]) == ("manual", "all", "full")
    assert [line["phase"] for line in phases] == [
        "companies", "contacts", "absences", "rules", "agreements",
    ]  # fmt: skip
    assert {line["event"] for line in phases} == {"run_phase"}
    assert (ended["event"], ended["state"], ended["code"]) == ("run_ends", "succeeded", "")
    assert ended["requests"] == SyncRun.objects.get(pk=run.pk).requests > 0


def test_a_wait_is_written_and_the_request_outlives_it(
    connected: Integration, sandbox: SandboxServer, lines: Lines
) -> None:
    sandbox.faults.switch_on("rate_limited", path="/company/contacts", retry_after=60)
    with structlog.contextvars.bound_contextvars(request_id="click-5"):
        run, _ = start_sync_run(integration=connected)

    work_off()

    (waits,) = of(lines, "run_waits")
    assert 58 < waits["seconds"] <= 60
    assert waits["reason"] == "Waiting for ConnectWise Manage"
    assert of(lines, "psa_call_refused")[0]["code"] == "rate_limited"
    structlog.contextvars.clear_contextvars()
    sandbox.faults.clear("rate_limited")
    budget_of(connected).forget()
    SyncRun.objects.filter(pk=run.pk).update(resume_at=None)

    work_off()

    (ended,) = of(lines, "run_ends")
    assert (ended["state"], ended["request_id"]) == ("succeeded", "click-5")
    assert [line["attempt"] for line in of(lines, "run_begins")] == [1, 2]


def test_a_run_that_fails_says_why(
    connected: Integration, sandbox: SandboxServer, lines: Lines
) -> None:
    sandbox.faults.switch_on("bad_keys", form="401")
    start_sync_run(integration=connected)

    work_off()

    (ended,) = of(lines, "run_ends")
    assert (ended["state"], ended["code"]) == ("failed", "invalid_credentials")
    assert ended["log_level"] == "warning"


def test_what_a_clock_starts_names_no_request(connected: Integration, lines: Lines) -> None:
    start_sync_run(integration=connected, trigger=SyncRun.Trigger.SCHEDULE)

    work_off()

    assert "request_id" not in of(lines, "run_begins")[0]


def test_a_thread_forgets_what_its_last_task_was_about(
    connected: Integration, lines: Lines, asked: Callable[..., Any]
) -> None:
    asked("click-4", start_connection_test, integration=connected, actor=None)

    assert structlog.contextvars.get_contextvars() == {}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (
            "GET /accounts/password/reset/key/2-d8x-9a7/ failed",
            "GET /accounts/password/reset/key/…/ failed",
        ),
        ("POST /account/invitation/abc123?next=/", "POST /account/invitation/…?next=/"),
        ("token audit_0123456789abcdefghijklmnop was refused", "token audit_… was refused"),
        ("audit_site.celery started", "audit_site.celery started"),
    ],
)
def test_no_line_holds_what_opens_something_by_itself(text: str, written: str) -> None:
    assert redact(None, "", {"event": text, "count": 1}) == {"event": written, "count": 1}


@pytest.mark.parametrize(
    ("values", "queue"),
    [
        ({"scope": "all"}, "sync"),
        ({"scope": "all", "trigger": "schedule"}, "sync"),
        ({"scope": "companies", "trigger": "import", "companies": ["1", "2"]}, "sync"),
        ({"scope": "companies", "trigger": "callback", "companies": ["1"]}, "sync"),
        ({"scope": "companies", "trigger": "import", "companies": ["1"]}, "urgent"),
        ({"scope": "companies", "companies": ["1"]}, "urgent"),
    ],
)
def test_what_a_person_waits_for_goes_to_the_urgent_queue(
    connected: Integration,
    django_capture_on_commit_callbacks: Any,
    values: dict[str, Any],
    queue: str,
) -> None:
    sent: list[str] = []

    def note(**message: Any) -> None:
        sent.append(message["routing_key"])

    before_task_publish.connect(note, weak=False)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            dispatch(SyncRun(tenant=connected.tenant, integration=connected, **values))
            dispatch(ConnectionTest(tenant=connected.tenant, integration=connected))
    finally:
        before_task_publish.disconnect(note)
    assert sent == [queue, "urgent"]


def test_the_sweep_asks_once_for_all_that_it_sends(
    connected: Integration, django_assert_max_num_queries: Any, settings: Any
) -> None:
    settings.SYNCS_A_TENANT = 5
    for _ in range(5):
        SyncRun.objects.create(
            tenant=connected.tenant,
            integration=connected,
            scope=SyncRun.Scope.COMPANIES,
            companies=["1", "2"],
        )
    with django_assert_max_num_queries(10):
        sweep()
    assert SyncRun.objects.filter(state="queued", dispatched_at=None).count() == 0
