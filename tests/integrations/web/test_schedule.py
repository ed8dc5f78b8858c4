"""Automatic sync in the settings of an integration."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from audit_site.pages.templatetags.pages import upcoming
from audit_site.tenants.models import AuditEvent, Tenant, User
from integrations.models import Integration
from integrations.runs import schedule
from tests.clients import browser, text
from tests.factories import make_integration, make_member, make_tenant

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 25, 13, 5, tzinfo=UTC)  # 14:05 in Berlin


@pytest.fixture
def tenant(time_machine: Any, db: None) -> Tenant:
    time_machine.move_to(NOW, tick=False)
    return make_tenant(timezone="Europe/Berlin")


@pytest.fixture
def integration(tenant: Tenant) -> Integration:
    return make_integration(
        tenant,
        name="ConnectWise Manage",
        next_sync_at=datetime(2026, 11, 26, 2, 17, tzinfo=BERLIN),
    )


def save(client: Client, integration: Integration, **typed: str) -> Any:
    return client.post(f"/integrations/{integration.pk}/schedule/", typed, follow=True)


def test_settings_show_the_schedule_and_the_next_sync(alex: User, integration: Integration) -> None:
    page = text(browser(alex).get(f"/integrations/{integration.pk}/setup/"))

    assert "Automatic sync" in page
    chosen = {tag for tag in re.findall('<input[^>]*name="every"[^>]*>', page) if " checked" in tag}
    assert ["nightly" in tag for tag in chosen] == [True]
    assert '<input type="time" name="at" value="02:00"' in page
    assert "by the clock of Europe/Berlin" in page
    assert "Next: tonight, 02:17" in page
    assert "Save automatic sync" in page


def test_an_admin_saves_another_time(alex: User, integration: Integration) -> None:
    client = browser(alex)

    page = text(save(client, integration, every="nightly", at="04:30"))

    integration.refresh_from_db()
    assert integration.nightly_at == time(4, 30)
    minutes = 30 + schedule.spread(integration.pk)
    due = datetime(2026, 11, 26, 4, 0, tzinfo=BERLIN) + timedelta(minutes=minutes)
    assert integration.next_sync_at == due
    assert "Automatic sync is saved." in page
    assert f"Next: tonight, {due:%H:%M}" in page
    assert AuditEvent.objects.get(action="integration.schedule_changed").actor_type == "user"


def test_off_and_every_hour_keep_the_time_of_the_night(
    alex: User, integration: Integration
) -> None:
    client = browser(alex)

    off = text(save(client, integration, every="off", at=""))
    hourly = text(save(client, integration, every="hourly", at="02:00"))

    integration.refresh_from_db()
    assert "Synced only when somebody presses Sync Now." in off
    assert "Next: t" in hourly
    assert (integration.schedule, integration.nightly_at) == ("hourly", time(2, 0))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"every": "nightly", "at": "25:99"}, "Write the time as HH:MM, such as 02:00."),
        ({"every": "nightly", "at": ""}, "Choose the time of the night."),
        ({"every": "weekly", "at": "02:00"}, "Select a valid choice."),
        ({}, "This field is required."),
    ],
)
def test_what_makes_no_schedule_is_said_there(
    alex: User, integration: Integration, typed: dict[str, str], said: str
) -> None:
    answer = save(browser(alex), integration, **typed)

    integration.refresh_from_db()
    assert answer.status_code == 422
    assert said in text(answer)
    assert (integration.schedule, integration.nightly_at) == ("nightly", time(2, 0))


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_who_is_no_admin_sees_it_disabled(integration: Integration, role: str) -> None:
    client = browser(make_member(integration.tenant, role))

    page = text(client.get(f"/integrations/{integration.pk}/setup/"))
    refused = save(client, integration, every="off", at="02:00")

    integration.refresh_from_db()
    assert '<input type="time" name="at" value="02:00" class="form-control" disabled' in page
    assert page.count('name="every"') == 3
    assert "Save automatic sync" not in page
    assert "Next: tonight, 02:17" in page
    assert refused.status_code == 403
    assert integration.schedule == "nightly"


def test_what_is_not_connected_has_no_next_time(alex: User, integration: Integration) -> None:
    Integration.objects.update(status="failing")

    page = text(browser(alex).get(f"/integrations/{integration.pk}/setup/"))

    assert "Starts when the connection works." in page
    assert "Next:" not in page


@pytest.mark.parametrize(
    ("now", "moment", "words"),
    [
        ("2026-11-25T14:05", "2026-11-25T14:47", "today, 14:47"),
        ("2026-11-25T14:05", "2026-11-25T18:17", "tonight, 18:17"),
        ("2026-11-25T14:05", "2026-11-26T02:17", "tonight, 02:17"),
        ("2026-11-26T01:05", "2026-11-26T02:17", "tonight, 02:17"),
        ("2026-11-26T03:05", "2026-11-27T02:17", "tomorrow, 02:17"),
        ("2026-11-25T14:05", "2026-11-26T09:17", "tomorrow, 09:17"),
        ("2026-11-25T14:05", "2026-11-28T02:17", "Sat 28 Nov, 02:17"),
        ("2026-11-25T14:05", "2026-11-25T14:05", "now, as soon as it is its turn"),
    ],
)
def test_a_moment_to_come_is_said_as_a_person_would(
    time_machine: Any, now: str, moment: str, words: str
) -> None:
    time_machine.move_to(datetime.fromisoformat(now).replace(tzinfo=BERLIN), tick=False)

    with timezone.override(BERLIN):
        assert upcoming(datetime.fromisoformat(moment).replace(tzinfo=BERLIN)) == words
