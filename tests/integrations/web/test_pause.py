"""Pause and resume on pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from audit_site.tenants.models import Tenant, User
from integrations.importing.import_companies import import_companies
from integrations.models import Integration, SyncRun
from integrations.runs.pausing import pause_integration
from tests.clients import browser, page_text, text
from tests.factories import make_integration, make_member, make_tenant
from tests.worker import work_off

NOW = datetime(2026, 11, 25, 13, 5, tzinfo=UTC)  # 14:05 in Berlin


@pytest.fixture
def tenant(time_machine: Any, db: None) -> Tenant:
    time_machine.move_to(NOW, tick=False)
    return make_tenant(timezone="Europe/Berlin")


@pytest.fixture
def integration(tenant: Tenant) -> Integration:
    return make_integration(tenant, name="Desk")


def act(client: Client, integration: Integration, what: str, **typed: str) -> Any:
    return client.post(f"/integrations/{integration.pk}/{what}/", typed, follow=True)


def test_an_admin_pauses_and_resumes_it(alex: User, integration: Integration) -> None:
    client = browser(alex)

    paused = page_text(act(client, integration, "pause"))
    card = page_text(client.get("/integrations/"))
    refused = page_text(act(client, integration, "sync"))
    resumed = page_text(act(client, integration, "resume"))

    sentence = "Desk was paused by Alex Admin: nothing is read by itself. Resume it to read again."
    assert "Desk is paused." in paused
    for page in (paused, card):
        assert sentence in page
        assert "Since today 14:05." in page
        assert '<span class="mark warn">Paused</span>' in page
        assert "Sync Now" not in page
        assert ">Resume</button>" in page
    assert "Paused today 14:05 by Alex Admin, until somebody resumes it." in paused
    assert "Desk is paused. Resume it first, then it is read again." in refused
    assert "Desk is resumed. What was due meanwhile starts now." in resumed
    assert "Sync Now" in resumed
    assert not SyncRun.objects.exists()


def test_what_is_said_of_the_schedule_is_true(alex: User, connected: Integration) -> None:
    client = browser(alex)
    act(client, connected, "pause")

    settings = page_text(client.get(f"/integrations/{connected.pk}/setup/"))

    assert "Starts when the pause is over." in settings


def test_an_end_is_by_the_clock_of_the_tenant(alex: User, integration: Integration) -> None:
    page = page_text(act(browser(alex), integration, "pause", until="2026-11-26T09:30"))

    integration.refresh_from_db()
    assert integration.on_pause_until == datetime(2026, 11, 26, 8, 30, tzinfo=UTC)
    assert "until 26 Nov 2026, 09:30." in page
    assert "It goes on by itself tomorrow, 09:30." in page
    assert "Next: " in page  # from then on


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("2026-11-25T14:00", "Choose a moment to come, or leave it empty"),
        ("soon", "Write day and time as 2026-12-24 18:00."),
    ],
)
def test_an_end_that_can_not_be_is_said_at_its_field(
    alex: User, integration: Integration, typed: str, said: str
) -> None:
    answer = act(browser(alex), integration, "pause", until=typed)

    assert answer.status_code == 422
    assert said in text(answer)
    integration.refresh_from_db()
    assert not integration.is_paused


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_who_is_no_admin_sees_it_and_changes_nothing(
    tenant: Tenant, alex: User, integration: Integration, role: str
) -> None:
    client = browser(make_member(tenant, role))
    assert act(client, integration, "pause").status_code == 403
    pause_integration(integration=integration, actor=alex)

    page = page_text(client.get(f"/integrations/{integration.pk}/setup/"))
    refused = act(client, integration, "resume")

    assert "Paused today 14:05 by Alex Admin, until somebody resumes it." in page
    assert ">Resume</button>" not in page
    assert refused.status_code == 403
    integration.refresh_from_db()
    assert integration.is_paused


def test_another_tenants_is_not_there(otto: User, integration: Integration) -> None:
    for what in ("pause", "resume"):
        assert act(browser(otto), integration, what).status_code == 404
    integration.refresh_from_db()
    assert not integration.is_paused


def test_a_run_that_waits_for_it_says_so(alex: User, connected: Integration) -> None:
    pause_integration(integration=connected, actor=alex)
    import_companies(integration=connected, external_ids=["20002"], actor=None)
    work_off()
    run = SyncRun.objects.get(trigger="import")
    client = browser(alex)

    held = page_text(client.get(f"/sync-runs/{run.pk}/"))
    pause_integration(
        integration=connected, actor=alex, until=datetime(2026, 11, 26, 8, 30, tzinfo=UTC)
    )
    ending = page_text(client.get(f"/sync-runs/{run.pk}/"))

    assert "Waiting until ConnectWise Manage is resumed</strong>." in held
    assert "It is paused: an admin can resume it in its settings." in held
    assert "9999" not in held
    assert "Paused, goes on tomorrow at 09:30</strong>, in 19 hours." in ending
