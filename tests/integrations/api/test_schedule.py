from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from audit_site.tenants.models import AuditEvent, Tenant, User
from integrations.models import Integration
from integrations.runs import schedule
from integrations.sandbox.server import SandboxServer
from tests.clients import V1, api_of, create, problem
from tests.factories import make_api, make_integration

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def change(tenant: Tenant, integration: Integration, body: Any, role: str = "admin") -> Any:
    return make_api(tenant, role).patch(
        f"{V1}/integrations/{integration.pk}/", {"schedule": body}, format="json"
    )


def test_an_integration_shows_its_schedule(vic: User, tenant: Tenant, time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)
    due = make_integration(tenant, next_sync_at=NOW + timedelta(hours=14, minutes=17))
    off = make_integration(tenant, schedule="off", nightly_at=time(23, 5))
    api = api_of(vic)

    listed = [row["schedule"] for row in api.get(f"{V1}/integrations/").json()["results"]]

    assert listed == [
        {"every": "nightly", "at": "02:00", "next_at": "2026-11-26T02:17:00Z"},
        {"every": "off", "at": "23:05", "next_at": None},
    ]
    assert api.get(f"{V1}/integrations/{due.pk}/").json()["schedule"] == listed[0]
    assert api.get(f"{V1}/integrations/{off.pk}/").json()["schedule"] == listed[1]


def test_an_admin_changes_it(tenant: Tenant, time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)
    integration = make_integration(tenant)

    answer = change(tenant, integration, {"every": "hourly", "at": "04:30"})

    due = NOW + timedelta(minutes=schedule.spread(integration.pk))
    due = due if due > NOW else due + timedelta(hours=1)
    assert answer.status_code == 200
    assert answer.json()["schedule"] == {
        "every": "hourly",
        "at": "04:30",
        "next_at": f"{due:%Y-%m-%dT%H:%M:%SZ}",
    }
    event = AuditEvent.objects.get(action="integration.schedule_changed")
    assert event.after == {"every": "hourly", "at": "04:30"}


@pytest.mark.parametrize(
    ("body", "every", "at"),
    [
        ({"every": "off"}, "off", "02:00"),
        ({"at": "05:15"}, "nightly", "05:15"),
        ({}, "nightly", "02:00"),
    ],
)
def test_what_is_left_out_stays(tenant: Tenant, body: Any, every: str, at: str) -> None:
    shown = change(tenant, make_integration(tenant), body).json()["schedule"]

    assert (shown["every"], shown["at"]) == (every, at)


@pytest.mark.parametrize(
    ("body", "code", "field", "message"),
    [
        ({"at": "25:00"}, "invalid", "schedule.at", "Write the time as HH:MM, such as 02:00."),
        ({"at": "2 am"}, "invalid", "schedule.at", "Write the time as HH:MM, such as 02:00."),
        ({"at": 2}, "invalid", "schedule.at", "Write the time as HH:MM, such as 02:00."),
        ({"at": None}, "null", "schedule.at", "This field may not be null."),
        (
            {"every": "weekly"},
            "invalid_choice",
            "schedule.every",
            '"weekly" is not a valid choice.',
        ),
        (
            {"every": "hourly", "next_at": "2026-01-01T00:00:00Z"},
            "unknown_field",
            "schedule.next_at",
            "There is no such field here.",
        ),
    ],
)
def test_what_makes_no_schedule_is_400(
    tenant: Tenant, body: Any, code: str, field: str, message: str
) -> None:
    integration = make_integration(tenant)

    answer = change(tenant, integration, body)

    integration.refresh_from_db()
    assert problem(answer) == (400, code)
    assert answer.json()["errors"] == [{"field": field, "code": code, "message": message}]
    assert (integration.schedule, integration.nightly_at) == ("nightly", time(2, 0))


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_only_admins_change_it(tenant: Tenant, role: str) -> None:
    answer = change(tenant, make_integration(tenant), {"every": "off"}, role)

    assert problem(answer) == (403, "admin_required")


def test_it_is_chosen_while_connecting(alex: User, sandbox: SandboxServer) -> None:
    chosen = {"every": "nightly", "at": "23:45"}

    answer = create(api_of(alex), sandbox, schedule=chosen)

    assert answer.status_code == 201
    assert answer.json()["schedule"] == {**chosen, "next_at": None}  # not connected yet
    assert Integration.objects.get().nightly_at == time(23, 45)


def test_a_bad_schedule_connects_nothing(alex: User, sandbox: SandboxServer) -> None:
    answer = create(api_of(alex), sandbox, schedule={"at": "late"})

    assert problem(answer) == (400, "invalid")
    assert not Integration.objects.exists()


def test_keys_that_can_not_be_taken_leave_the_schedule_as_it_was(
    alex: User, tenant: Tenant
) -> None:
    integration = make_integration(tenant)

    answer = api_of(alex).patch(
        f"{V1}/integrations/{integration.pk}/",
        {"schedule": {"every": "off"}, "credentials": {"no_such": "x"}},
        format="json",
    )

    integration.refresh_from_db()
    assert answer.status_code == 400
    assert integration.schedule == "nightly"
