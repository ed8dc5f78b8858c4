"""One word for the health of a connection, from what was seen of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from audit_site.tenants.models import Tenant, User
from integrations.connecting.connections_now import connections_now
from integrations.connecting.health import Health, health_now
from integrations.connecting.lifecycle import disconnect_integration
from integrations.connecting.selectors import latest_of
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, raise_issues
from integrations.models import ConnectionTest, Integration, SyncRun
from integrations.runs.pausing import pause_integration
from integrations.sandbox.server import SandboxServer
from tests.conftest import connect
from tests.syncing import synced


def health(integration: Integration) -> Health:
    """Its health, which is the same where the menu shows it."""
    integration.refresh_from_db()
    found = health_now(integration, latest_of(integration))
    in_menu = [one.health for one in connections_now(integration.tenant)]
    assert in_menu == ([] if integration.is_disconnected else [found])
    return found


def test_a_connection_that_was_read_is_healthy(connected: Integration) -> None:
    found = health(connected)

    run = SyncRun.objects.get()
    assert (found.state, found.title, found.since) == ("healthy", "Healthy", run.finished_at)
    assert found.message == "ConnectWise Manage was read to its end."


@pytest.mark.parametrize("psa", ["connectwise", "autotask", "kaseya_bms"])
def test_keys_that_see_nothing_are_limited_and_never_green(
    tenant: Tenant, sandbox: SandboxServer, psa: str
) -> None:
    sandbox.faults.switch_on("empty_answer")

    integration = connect(tenant, sandbox, psa)

    test = ConnectionTest.objects.get(integration=integration)
    assert (test.ok, test.code) == (True, "sees_nothing")
    assert "Everything checks out" not in test.message
    seen = {check["name"]: (check["ok"], check["code"]) for check in test.checks}
    assert seen["read_companies"] == (None, "sees_nothing")
    assert (integration.status, health(integration).state) == ("connected", "limited")
    assert health(integration).message == test.message


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("invalid_credentials", "refused"),
        ("account_locked", "refused"),
        ("psa_unavailable", "unreachable"),
        ("timeout", "unreachable"),
        ("permission_denied", "limited"),
        ("too_many_gone", "limited"),
    ],
)
def test_what_is_wrong_with_all_of_it_decides(
    connected: Integration, code: str, state: str
) -> None:
    external_id = "read_contacts" if state == "limited" else ""
    report = IssueReport(KIND_INTEGRATION, code, "It says no.", "Do this.", external_id)
    raise_issues(connected, [report])

    found = health(connected)

    assert (found.state, found.fix) == (state, "Do this.")
    assert "It says no." in found.message


def test_an_outage_is_older_news_than_refused_keys_and_both_hide_a_run(
    connected: Integration,
) -> None:
    for code in ("timeout", "invalid_credentials"):
        raise_issues(connected, [IssueReport(KIND_INTEGRATION, code, f"{code}.")])
    SyncRun.objects.update(state="running", finished_at=None)

    assert health(connected).state == "refused"


def test_an_outage_says_when_it_is_tried_again_and_nothing_where_it_is_not(
    connected: Integration,
) -> None:
    raise_issues(connected, [IssueReport(KIND_INTEGRATION, "timeout", "No answer.")])
    until = timezone.now() + timedelta(minutes=5)
    Integration.objects.update(paused_until=until, next_sync_at=until)
    scheduled = health(connected).until
    Integration.objects.update(schedule="off")
    by_hand = health(connected).until
    SyncRun.objects.update(state="running", finished_at=None, resume_at=until)

    assert (scheduled, by_hand, health(connected).until) == (until, None, until)


def test_a_run_is_reading_or_waiting_until_a_moment(connected: Integration) -> None:
    until = timezone.now() + timedelta(minutes=5)
    SyncRun.objects.update(state="running", finished_at=None)
    reading = health(connected)
    SyncRun.objects.update(waiting_for="ConnectWise Manage asks us to wait", resume_at=until)

    waiting = health(connected)

    assert (reading.state, reading.until) == ("reading", None)
    assert (waiting.state, waiting.until) == ("waiting", until)
    assert waiting.message == "ConnectWise Manage asks us to wait."


def test_a_disconnected_one_says_what_stays(connected: Integration) -> None:
    disconnect_integration(integration=connected, actor=None)

    found = health(connected)

    assert (found.state, found.since) == ("disconnected", connected.disconnected_at)
    assert "stay as they were last seen" in found.message


def test_it_says_who_disconnected_it(alex: User, connected: Integration) -> None:
    disconnect_integration(integration=connected, actor=alex)

    assert health(connected).message == (
        "ConnectWise Manage was disconnected by Alex Admin. Its audITees and their MRR stay as they "
        "were last seen."
    )


def test_a_pause_says_who_and_until_when(alex: User, connected: Integration) -> None:
    until = timezone.now() + timedelta(hours=3)
    pause_integration(integration=connected, actor=alex, until=until)

    found = health(connected)

    assert (found.state, found.title, found.until) == ("paused", "Paused", until)
    assert found.since == connected.on_pause_since
    assert found.message == (
        "ConnectWise Manage was paused by Alex Admin: nothing is read by itself."
    )
    assert found.fix == "Resume it to read again."


def test_a_pause_hides_neither_refused_keys_nor_a_run_that_ends(connected: Integration) -> None:
    raise_issues(connected, [IssueReport(KIND_INTEGRATION, "invalid_credentials", "It says no.")])
    SyncRun.objects.update(state="running", finished_at=None)
    pause_integration(integration=connected, actor=None)

    assert health(connected).message == (
        "ConnectWise Manage was paused: nothing is read by itself. The sync that had begun goes on "
        "to its end. When it was last asked: It says no."
    )


def test_a_pause_does_not_hide_keys_that_never_passed(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("bad_keys")
    integration = connect(tenant, sandbox, "connectwise")
    refused = health(integration)

    pause_integration(integration=integration, actor=None)

    assert (integration.status, refused.state) == ("failing", "refused")
    assert health(integration).message == (
        "ConnectWise Manage was paused: nothing is read by itself. "
        f"When it was last tested: {refused.message}"
    )


def test_a_run_that_was_cancelled_did_not_come_to_its_end(connected: Integration) -> None:
    SyncRun.objects.update(state="cancelled")

    found = health(connected)

    test = ConnectionTest.objects.get()
    assert (found.state, found.since) == ("healthy", test.finished_at)
    assert found.message == ("ConnectWise Manage accepts the keys. Its last sync was cancelled.")
    assert found.fix == "Press Sync Now to read it to its end."


def test_a_failed_run_is_not_healthy(connected: Integration) -> None:
    SyncRun.objects.update(state="failed", error_message="Half an answer.", error_fix="Sync Now.")

    found = health(connected)

    assert (found.state, found.message, found.fix) == ("limited", "Half an answer.", "Sync Now.")


@pytest.mark.parametrize(
    ("code", "state"), [("psa_unavailable", "unreachable"), ("rate_limited", "waiting")]
)
def test_a_test_of_keys_in_use_that_waits_for_the_psa_is_never_green(
    connected: Integration, code: str, state: str
) -> None:
    until = timezone.now() + timedelta(minutes=2)
    test = ConnectionTest.objects.create(
        tenant=connected.tenant,
        integration=connected,
        state="running",
        code=code,
        message="It is not there. The test goes on at 14:05.",
        resume_at=until,
    )

    found = health(connected)
    ConnectionTest.objects.filter(pk=test.pk).update(state="done", ok=True, code="ok")

    assert (found.state, found.until) == (state, until)
    assert found.message == test.message
    assert health(connected).state == "healthy"


def test_after_a_reconnect_the_reading_starts_by_itself(
    tenant: Tenant, sandbox: SandboxServer, connected: Integration
) -> None:
    synced(connected, "manual")
    disconnect_integration(integration=connected, actor=None)

    connect(tenant, sandbox, "connectwise")

    runs = SyncRun.objects.order_by("queued_at").values_list("trigger", "state")
    assert list(runs) == [
        ("connect", "succeeded"),
        ("manual", "succeeded"),
        ("connect", "succeeded"),
    ]
