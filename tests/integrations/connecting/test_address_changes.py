"""Admins hear of a new address of a connection: by whom, when, from where to where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import current_app
from django.core import mail

from audit_site.tenants.mails import MailNotSent
from audit_site.tenants.models import AuditEvent, Tenant, User
from integrations.connecting import address_changes, lifecycle
from integrations.models import Integration
from integrations.sandbox.server import SandboxServer
from tests.conftest import TODAY, connect
from tests.factories import make_integration
from tests.integrations.issues.outages import SMTP
from tests.worker import work_off

START = datetime(2026, 11, 25, 13, 5, tzinfo=UTC)


@pytest.fixture
def tenant(tenant: Tenant) -> Tenant:
    Tenant.objects.update(name="Nordlicht IT", timezone="Europe/Berlin")
    tenant.refresh_from_db()
    return tenant


@pytest.fixture
def second(settings: Any) -> Any:
    """The same account at another address."""
    with SandboxServer(seed=1, companies=40, today=TODAY) as server:
        yield server


def move(integration: Integration, actor: User | None, server: SandboxServer) -> None:
    lifecycle.update_integration(
        integration=integration, actor=actor, credentials=server.credentials(integration.psa)
    )
    work_off()
    integration.refresh_from_db()


def tell(integration: Integration) -> None:
    address_changes.tell_address_change(
        tenant_id=str(integration.tenant_id), integration_id=str(integration.pk)
    )


def test_a_new_address_is_one_mail_to_all_admins(
    alex: User,
    mia: User,
    connected: Integration,
    sandbox: SandboxServer,
    second: SandboxServer,
    worker: Any,
    settings: Any,
    time_machine: Any,
) -> None:
    settings.PUBLIC_URL = "https://audit.example.com"
    time_machine.move_to(START, tick=False)

    worker(move, connected, alex, second)
    tell(connected)

    [message] = mail.outbox
    assert message.to == ["alex@example.com"]
    assert message.subject == "[audIT] The address of ConnectWise Manage was changed"
    assert message.body == (
        "Alex Admin changed the address of ConnectWise Manage on Wed 25 Nov 2026, 14:05 "
        "(Europe/Berlin).\n"
        "\n"
        f"Before: {sandbox.url}\n"
        f"Now: {second.url}\n"
        "\n"
        "The keys for the new address were typed in with it; the ones stored before were not sent "
        "there.\n"
        "\n"
        "What to do: nothing, if you expected this. If not, disconnect ConnectWise Manage in its "
        "settings, ask Alex Admin, and make new keys in ConnectWise Manage.\n"
        "\n"
        "Right now: Healthy. ConnectWise Manage was read to its end.\n"
        "\n"
        f"https://audit.example.com/integrations/{connected.pk}/\n"
        "\n"
        "This goes to the admins of Nordlicht IT at audIT.\n"
    )
    assert "demo-private" not in message.body
    event = AuditEvent.objects.get(action="integration.address_changed")
    assert (event.actor_id, event.actor_name) == (str(alex.pk), "Alex Admin")
    assert (event.before, event.after) == ({"address": sandbox.url}, {"address": second.url})
    connected.refresh_from_db()
    assert connected.address_change is None


def test_an_address_that_was_refused_is_no_change(
    alex: User,
    connected: Integration,
    worker: Any,
) -> None:
    typed = {"server_url": "http://127.0.0.1:9", "private_key": "demo-private"}
    worker(lifecycle.update_integration, integration=connected, actor=alex, credentials=typed)
    work_off()

    connected.refresh_from_db()
    assert connected.candidate["state"] == "refused"
    assert (mail.outbox, connected.address_change) == ([], None)


def test_keys_that_replace_failing_ones_at_once_are_told_of_too(
    alex: User, connected: Integration, second: SandboxServer
) -> None:
    Integration.objects.update(status="failing")

    move(connected, alex, second)
    tell(connected)

    assert len(mail.outbox) == 1


def test_who_connects_again_at_another_address_is_told_of_too(
    alex: User, connected: Integration, second: SandboxServer
) -> None:
    lifecycle.disconnect_integration(integration=connected, actor=alex)
    lifecycle.reconnect_integration(
        integration=connected, actor=alex, credentials=second.credentials("connectwise")
    )

    tell(connected)

    assert f"Now: {second.url}\n" in mail.outbox[0].body


@pytest.mark.parametrize("psa", ["autotask", "connectwise", "kaseya_bms"])
def test_other_keys_at_the_same_address_are_no_news(
    tenant: Tenant, alex: User, sandbox: SandboxServer, psa: str
) -> None:
    integration = connect(tenant, sandbox, psa)

    move(integration, alex, sandbox)

    assert integration.address_change is None


def test_two_changes_before_the_mail_are_one(
    alex: User, connected: Integration, sandbox: SandboxServer, second: SandboxServer
) -> None:
    with SandboxServer(seed=1, companies=40, today=TODAY) as third:
        for server in (second, third):
            move(connected, alex, server)
        tell(connected)
        address = third.url

    [message] = mail.outbox
    assert f"Before: {sandbox.url}\nNow: {address}\n" in message.body


def test_a_mail_that_was_not_sent_is_tried_again(
    alex: User, connected: Integration, second: SandboxServer, settings: Any
) -> None:
    move(connected, alex, second)
    locmem = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", 9

    with pytest.raises(MailNotSent):
        tell(connected)

    settings.EMAIL_BACKEND = locmem
    tell(connected)
    tell(connected)
    assert len(mail.outbox) == 1


def test_a_message_that_got_lost_is_queued_again_after_hours(
    alex: User,
    connected: Integration,
    second: SandboxServer,
    worker: Any,
    time_machine: Any,
) -> None:
    time_machine.move_to(START, tick=False)
    move(connected, alex, second)
    worker(address_changes.remind)
    before = len(mail.outbox)

    time_machine.move_to(START + timedelta(hours=6), tick=False)
    worker(current_app.tasks["integrations.remind_of_address_changes"])
    worker(address_changes.remind)

    assert (before, len(mail.outbox)) == (0, 1)


def test_another_tenants_change_is_not_told(
    tenant: Tenant, other_tenant: Tenant, alex: User
) -> None:
    change = {"before": "a", "after": "b", "by": "", "by_id": None, "at": START.isoformat()}
    integration = make_integration(other_tenant, address_change=change)

    address_changes.tell_address_change(
        tenant_id=str(tenant.pk), integration_id=str(integration.pk)
    )

    assert mail.outbox == []
