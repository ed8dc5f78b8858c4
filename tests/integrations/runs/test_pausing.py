"""A person's pause: nothing starts by itself, what has begun ends, and what waited goes on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from audit_site.errors import DomainError, FieldErrors
from audit_site.tenants.models import AuditEvent, Tenant, User
from integrations.connecting import lifecycle
from integrations.importing.import_companies import import_companies
from integrations.issues import inbox
from integrations.links.linking import link_company
from integrations.models import Integration, SyncRun
from integrations.runs import leases, pausing, schedule, starting
from integrations.sandbox.server import SandboxServer
from tests.factories import make_company, make_integration, make_issue, make_link
from tests.integrations.connecting.connections import connect
from tests.integrations.runs.schedules import NOON
from tests.syncing import claimed
from tests.worker import work_off


def pause(integration: Integration, until: datetime | None = None) -> None:
    pausing.pause_integration(integration=integration, actor=None, until=until)


def resume(integration: Integration) -> None:
    pausing.resume_integration(integration=integration, actor=None)


def states() -> list[tuple[str, str]]:
    return list(SyncRun.objects.order_by("id").values_list("trigger", "state"))


@pytest.fixture
def due(tenant: Tenant, time_machine: Any) -> Integration:
    time_machine.move_to(NOON, tick=False)
    return make_integration(tenant, next_sync_at=NOON - timedelta(minutes=1))


def test_what_is_due_starts_when_it_is_resumed(due: Integration) -> None:
    pause(due)
    schedule.dispatch_due()
    before = SyncRun.objects.count()
    planned = schedule.next_at(due)

    resume(due)
    schedule.dispatch_due()

    assert (before, planned) == (0, None)
    assert states() == [("schedule", "queued")]


def test_a_pause_ends_by_itself_at_its_moment(due: Integration, time_machine: Any) -> None:
    until = NOON + timedelta(hours=2)
    pause(due, until)
    planned = schedule.next_at(due)
    time_machine.move_to(until - timedelta(seconds=1), tick=False)
    schedule.dispatch_due()
    before = SyncRun.objects.count()

    time_machine.move_to(until, tick=False)
    schedule.dispatch_due()

    assert (planned, before) == (until, 0)
    assert states() == [("schedule", "queued")]
    assert not due.is_paused


def test_who_asks_for_a_sync_is_told_to_resume(alex: User, integration: Integration) -> None:
    company = make_company(integration.tenant)
    make_link(company, integration, external_id="7")
    issue = make_issue(integration, company_external_id="7")
    pause(integration)

    for ask in (
        lambda: starting.start_sync_run(integration=integration, actor=alex),
        lambda: starting.start_company_sync(company=company, actor=alex),
        lambda: inbox.retry(issue, actor=alex),
        lambda: inbox.retry_all(integration, actor=alex),
    ):
        with pytest.raises(DomainError) as refused:
            ask()
        assert (refused.value.code, refused.value.status) == ("paused", 409)
        assert refused.value.fix == "Resume it first, then it is read again."
    assert not SyncRun.objects.exists()


def test_what_is_imported_meanwhile_is_read_when_it_is_resumed(connected: Integration) -> None:
    pause(connected)
    result = import_companies(integration=connected, external_ids=["20002"], actor=None)
    work_off()
    work_off()
    run = SyncRun.objects.get(trigger="import")
    held = (run.state, run.is_held, run.resumes_at, run.waiting_for, run.attempts, run.started_at)

    resume(connected)
    work_off()

    run.refresh_from_db()
    assert len(result.imported) == 1
    assert held == ("queued", True, None, "Paused", 0, None)
    assert (run.state, run.waiting_for, run.resume_at) == ("succeeded", "", None)
    assert run.counts["agreements"]["created"] > 0


def test_what_is_linked_meanwhile_is_read_when_it_is_resumed(
    alex: User, connected: Integration
) -> None:
    company = make_company(connected.tenant)
    pause(connected)

    link_company(company=company, integration=connected, external_id="20002", actor=alex)
    work_off()
    held = SyncRun.objects.get(company=company).is_held
    resume(connected)
    work_off()

    assert held
    assert SyncRun.objects.get(company=company).state == "succeeded"


def test_a_run_that_has_begun_goes_on_to_its_end(connected: Integration) -> None:
    run = claimed(connected)

    pause(connected)
    SyncRun.objects.filter(pk=run.pk).update(lease_until=None)  # its worker died
    work_off()

    run.refresh_from_db()
    assert (run.state, run.attempts) == ("succeeded", 2)


def test_a_run_that_has_only_waited_for_a_psa_that_was_down_has_not_begun(
    connected: Integration, time_machine: Any
) -> None:
    down_until = timezone.now() + timedelta(minutes=30)
    Integration.objects.update(paused_until=down_until)
    connected.refresh_from_db()
    run, _ = starting.start_sync_run(integration=connected, trigger="schedule")
    work_off()

    pause(connected)
    time_machine.move_to(down_until + timedelta(minutes=1))
    work_off()
    run.refresh_from_db()
    held = (run.is_held, run.requests)
    resume(connected)
    work_off()

    run.refresh_from_db()
    assert held == (True, 0)
    assert run.state == "succeeded"


def test_what_follows_a_run_waits_too(connected: Integration) -> None:
    run = claimed(connected, trigger="schedule")
    SyncRun.objects.filter(pk=run.pk).update(followed_by="manual", lease_until=None)
    pause(connected)
    work_off()
    follower = SyncRun.objects.exclude(pk=run.pk).latest("id")
    held = follower.is_held

    resume(connected)
    work_off()

    follower.refresh_from_db()
    assert held
    assert (follower.trigger, follower.state) == ("manual", "succeeded")


def test_the_first_reading_of_keys_waits_too(tenant: Tenant, sandbox: SandboxServer) -> None:
    integration, _ = lifecycle.create_integration(
        tenant=tenant,
        actor=None,
        psa="connectwise",
        credentials=sandbox.credentials("connectwise"),
    )
    pause(integration)
    work_off()
    integration.refresh_from_db()
    held = (integration.status, states())

    resume(integration)
    work_off()

    assert held == ("connected", [("connect", "queued")])
    assert states() == [("connect", "succeeded")]


def test_a_run_that_waits_goes_on_when_the_pause_is_over(
    connected: Integration, time_machine: Any
) -> None:
    until = timezone.now() + timedelta(hours=1)
    pause(connected)
    import_companies(integration=connected, external_ids=["20002"], actor=None)
    work_off()
    pause(connected, until)
    run = SyncRun.objects.get(trigger="import")
    at = run.resumes_at

    time_machine.move_to(until + timedelta(seconds=1))
    work_off()

    run.refresh_from_db()
    assert at == until
    assert run.state == "succeeded"


def test_a_worker_that_knew_of_a_pause_that_has_ended_begins(connected: Integration) -> None:
    pause(connected)
    run = claimed(connected)
    resume(connected)
    assert run.integration.is_paused  # as the worker read it

    assert not pausing.hold(run)
    assert leases.held(run).exists()


def test_a_run_that_waits_can_be_cancelled(connected: Integration) -> None:
    pause(connected)
    import_companies(integration=connected, external_ids=["20002"], actor=None)
    work_off()

    run = starting.cancel_sync_run(run=SyncRun.objects.get(trigger="import"), actor=None)

    assert (run.state, run.resume_at, run.waiting_for) == ("cancelled", None, "")


def test_each_change_of_a_pause_is_kept_once(alex: User, integration: Integration) -> None:
    until = timezone.now() + timedelta(days=1)
    for moment in (None, None, until, until):
        pausing.pause_integration(integration=integration, actor=alex, until=moment)
    since = integration.on_pause_since
    for _ in range(2):
        pausing.resume_integration(integration=integration, actor=alex)

    events = AuditEvent.objects.order_by("id").values_list("action", "actor_id", "before", "after")
    (_, by, running, endless), (*_, ended), (*_, resumed) = list(events)
    assert [event[0] for event in events] == [
        "integration.paused",
        "integration.paused",
        "integration.resumed",
    ]
    assert by == str(alex.pk)
    assert (running, endless) == ({"paused": False}, {"paused": True, "until": None})
    assert ended["until"] == DjangoJSONEncoder().default(until)
    assert resumed == {"paused": False}
    assert since is not None
    integration.refresh_from_db()
    assert (integration.on_pause_since, integration.on_pause_until) == (None, None)


def test_a_pause_that_is_over_can_not_begin(integration: Integration) -> None:
    with pytest.raises(FieldErrors) as refused:
        pause(integration, timezone.now() - timedelta(seconds=1))

    assert refused.value.errors[0]["field"] == "until"
    assert not integration.is_paused


def test_what_is_disconnected_is_neither_paused_nor_resumed(integration: Integration) -> None:
    lifecycle.disconnect_integration(integration=integration, actor=None)

    for act in (pause, resume):
        with pytest.raises(DomainError) as refused:
            act(integration)
        assert refused.value.code == "not_connected"


def test_who_connects_again_ends_the_pause(
    tenant: Tenant, sandbox: SandboxServer, connected: Integration
) -> None:
    pause(connected)
    lifecycle.disconnect_integration(integration=connected, actor=None)

    again = connect(tenant, sandbox)

    assert (again.pk, again.is_paused, again.status) == (connected.pk, False, "connected")
