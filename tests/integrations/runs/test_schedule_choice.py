"""Choosing a schedule, and what is to be expected of it."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import pytest

from audit_site.errors import DomainError, FieldErrors
from audit_site.tenants.models import AuditEvent, Tenant, User
from integrations.runs import schedule
from tests.factories import make_integration
from tests.integrations.runs.schedules import NOON, SEVENTEEN, at, planned


def test_another_schedule_is_planned_at_once_and_audited(
    alex: User, tenant: Tenant, time_machine: Any
) -> None:
    time_machine.move_to(NOON, tick=False)
    integration = make_integration(tenant, id=SEVENTEEN, next_sync_at=at("2026-11-26T02:17"))

    schedule.set_schedule(integration=integration, actor=alex, every="nightly", at=time(4, 30))
    late = integration.next_sync_at
    schedule.set_schedule(integration=integration, actor=alex, every="hourly")
    soon = integration.next_sync_at
    schedule.set_schedule(integration=integration, actor=alex, every="off")

    integration.refresh_from_db()
    assert late == at("2026-11-26T04:47")
    assert soon == at("2026-11-25T12:17")
    assert (integration.schedule, integration.next_sync_at) == ("off", None)
    assert integration.nightly_at == time(4, 30)
    changes = AuditEvent.objects.filter(action="integration.schedule_changed").order_by("id")
    assert [(event.actor_id, event.before, event.after) for event in changes] == [
        (
            str(alex.pk),
            {"every": "nightly", "at": "02:00"},
            {"every": "nightly", "at": "04:30"},
        ),
        (
            str(alex.pk),
            {"every": "nightly", "at": "04:30"},
            {"every": "hourly", "at": "04:30"},
        ),
        (
            str(alex.pk),
            {"every": "hourly", "at": "04:30"},
            {"every": "off", "at": "04:30"},
        ),
    ]


def test_choosing_the_same_again_changes_nothing(tenant: Tenant) -> None:
    due = NOON - timedelta(days=3)
    integration = make_integration(tenant, next_sync_at=due)

    schedule.set_schedule(integration=integration, actor=None, every="nightly", at=time(2, 0, 30))

    integration.refresh_from_db()
    assert integration.next_sync_at == due
    assert not AuditEvent.objects.exists()


def test_no_schedule_for_what_is_disconnected_and_none_that_does_not_exist(tenant: Tenant) -> None:
    gone = make_integration(tenant, status="disconnected")
    here = make_integration(tenant)

    with pytest.raises(DomainError) as disconnected:
        schedule.set_schedule(integration=gone, actor=None, every="off")
    with pytest.raises(FieldErrors) as unknown:
        schedule.set_schedule(integration=here, actor=None, every="weekly")

    assert disconnected.value.code == "not_connected"
    assert unknown.value.errors == [
        {
            "field": "schedule.every",
            "code": "invalid_choice",
            "message": "Choose one of: off, hourly, nightly.",
        }
    ]


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({}, NOON + timedelta(hours=1)),
        ({"next_sync_at": None}, at("2026-11-26T02:17")),
        ({"paused_until": NOON + timedelta(hours=3)}, NOON + timedelta(hours=3)),
        ({"paused_until": NOON - timedelta(hours=3)}, NOON + timedelta(hours=1)),
        ({"on_pause_since": NOON}, None),
        (
            {"on_pause_since": NOON, "on_pause_until": NOON + timedelta(hours=5)},
            NOON + timedelta(hours=5),
        ),
        (
            {"on_pause_since": NOON - timedelta(hours=5), "on_pause_until": NOON},
            NOON + timedelta(hours=1),
        ),
        ({"status": "failing"}, None),
        ({"schedule": "off"}, None),
    ],
)
def test_when_the_next_one_is_to_be_expected(
    time_machine: Any, over: dict[str, Any], expected: datetime | None
) -> None:
    time_machine.move_to(NOON, tick=False)
    values = {"status": "connected", "next_sync_at": NOON + timedelta(hours=1), **over}

    assert schedule.next_at(planned(**values)) == expected
