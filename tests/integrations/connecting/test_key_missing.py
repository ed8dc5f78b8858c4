"""A key of ours that is missing: no PSA is asked, and everything goes on once it is back."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from audit_site.tenants.models import User
from integrations.connecting.connection_test import start_connection_test
from integrations.connecting.health import health_now
from integrations.connecting.lifecycle import update_integration
from integrations.connecting.selectors import latest_of
from integrations.models import Integration, Issue, SyncRun
from integrations.sandbox.server import SandboxServer
from tests.clients import V1, api_of, browser, page_text, problem
from tests.syncing import open_causes, synced
from tests.worker import work_off

OTHER = "other:" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
MESSAGE = (
    "The key that protects the stored keys of ConnectWise Manage is missing on this installation, "
    "so they can't be opened. Nothing is asked of the PSA."
)
FIX = (
    "Who runs this installation can bring the key back into CREDENTIAL_KEYS: syncs go on by "
    "themselves then. Or type the keys in again and save."
)


@pytest.fixture
def key(settings: Any) -> str:
    return str(settings.CREDENTIAL_KEYS)


@pytest.fixture
def lost(connected: Integration, key: str, settings: Any, sandbox: SandboxServer) -> Integration:
    """A connection whose stored keys can't be opened any more."""
    settings.CREDENTIAL_KEYS = OTHER
    sandbox.forget_requests()
    return connected


def test_a_run_waits_for_the_key_and_asks_nobody(lost: Integration, sandbox: SandboxServer) -> None:
    runs = [synced(lost, trigger) for trigger in ("schedule", "manual")]

    assert runs[0].pk == runs[1].pk
    assert (runs[1].state, runs[1].attempts, runs[1].error_code) == ("running", 0, "")
    assert runs[1].waiting_for == "The key that protects its stored keys is not available"
    assert sandbox.requests() == []
    assert open_causes() == [("integration", "key_missing", "")]
    lost.refresh_from_db()
    assert (lost.status, lost.failures) == ("connected", 0)


def test_a_run_goes_on_by_itself_once_the_key_is_back(
    lost: Integration, key: str, settings: Any
) -> None:
    synced(lost, "schedule")
    settings.CREDENTIAL_KEYS = f"{OTHER}, {key}"
    SyncRun.objects.filter(state="running").update(resume_at=timezone.now())

    work_off()

    assert set(SyncRun.objects.values_list("state", flat=True)) == {"succeeded"}
    assert open_causes() == []
    assert health_now(lost, latest_of(lost)).state == "healthy"


def test_page_and_rest_and_health_say_the_same(lost: Integration, alex: User) -> None:
    run = synced(lost, "schedule")

    found = health_now(lost, latest_of(lost))
    body = api_of(alex).get(f"{V1}/integrations/{lost.pk}/").json()["health"]
    page = page_text(browser(alex).get(f"/integrations/{lost.pk}/"))

    issue = Issue.objects.get(code="key_missing")
    assert (found.state, found.title) == ("key_missing", "Key missing")
    assert (found.message, found.fix) == (MESSAGE, FIX)
    assert (found.since, found.until) == (issue.first_seen_at, run.resume_at)
    assert (body["state"], body["message"], body["fix"]) == ("key_missing", MESSAGE, FIX)
    assert FIX in page
    assert "it goes on by itself once that key is back" in page


def test_health_follows_at_once_when_the_key_goes_and_comes(
    connected: Integration, key: str, settings: Any
) -> None:
    settings.CREDENTIAL_KEYS = OTHER
    without = health_now(connected, latest_of(connected)).state
    settings.CREDENTIAL_KEYS = key

    assert (without, health_now(connected, latest_of(connected)).state) == (
        "key_missing",
        "healthy",
    )


def test_a_test_says_so_and_keeps_the_connection(lost: Integration, sandbox: SandboxServer) -> None:
    start_connection_test(integration=lost, actor=None)
    work_off()

    test = latest_of(lost).test
    assert (test.ok, test.code, test.message, test.fix) == (False, "key_missing", MESSAGE, FIX)
    lost.refresh_from_db()
    assert lost.status == "connected"
    assert sandbox.requests() == []


def test_a_question_at_once_is_answered_by_the_code(lost: Integration, alex: User) -> None:
    answer = api_of(alex).get(f"{V1}/integrations/{lost.pk}/find/?q=20002")

    assert problem(answer) == (502, "key_missing")


def test_keys_that_are_typed_again_work_and_wake_what_waits(
    lost: Integration, sandbox: SandboxServer
) -> None:
    synced(lost, "schedule")

    update_integration(integration=lost, actor=None, credentials=sandbox.credentials("connectwise"))
    work_off()

    lost.refresh_from_db()
    assert health_now(lost, latest_of(lost)).state == "healthy"
    assert set(SyncRun.objects.values_list("state", flat=True)) == {"succeeded"}
    assert open_causes() == []
