"""One mail when an outage is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from integrations.issues import outages
from integrations.issues.inbox import KIND_INTEGRATION, close_issues
from integrations.models import Integration
from tests.integrations.issues.outages import START, begin, mail_admins, subjects


def test_the_end_is_mailed_once(integration: Integration, worker: Any, time_machine: Any) -> None:
    begin(integration)
    worker(outages.notify_began, integration)
    mail.outbox.clear()
    time_machine.move_to(START + timedelta(hours=2), tick=False)
    close_issues(integration, kind=KIND_INTEGRATION)
    Integration.objects.update(next_sync_at=START + timedelta(hours=13))
    integration.refresh_from_db()

    for _ in range(3):
        worker(outages.notify_ended, integration)
    mail_admins(integration, "ended")

    [message] = mail.outbox
    assert message.subject == "[audIT] ConnectWise Manage works again"
    assert message.body.startswith(
        "ConnectWise Manage works again. It did not from Wed 25 Nov 2026, 14:05 (Europe/Berlin) "
        "until Wed 25 Nov 2026, 16:05 (Europe/Berlin).\n\nThere is nothing to do:"
    )
    assert "The next automatic sync is on Thu 26 Nov 2026, 03:05 (Europe/Berlin)." in message.body


@pytest.mark.parametrize(
    ("over", "says_off"), [({"schedule": "off"}, True), ({"status": "testing"}, False)]
)
def test_the_end_says_when_nothing_follows_by_itself(
    integration: Integration, over: dict[str, str], says_off: bool
) -> None:
    begin(integration)
    mail_admins(integration, "began")
    close_issues(integration, kind=KIND_INTEGRATION)
    Integration.objects.update(**over)

    mail_admins(integration, "ended")

    assert ("Automatic sync is off: press Sync Now" in mail.outbox[1].body) is says_off
    assert "next automatic sync" not in mail.outbox[1].body


def test_an_end_at_the_same_moment_is_mailed_too(integration: Integration, worker: Any) -> None:
    begin(integration)
    worker(outages.notify_began, integration)
    close_issues(integration, kind=KIND_INTEGRATION)

    for _ in range(2):
        worker(outages.notify_ended, integration)

    assert len(mail.outbox) == 2


def test_no_end_is_mailed_of_what_was_not_mailed(integration: Integration, worker: Any) -> None:
    begin(integration)
    close_issues(integration, kind=KIND_INTEGRATION)

    worker(outages.notify_began, integration)
    worker(outages.notify_ended, integration)
    mail_admins(integration, "ended")

    assert mail.outbox == []


def test_no_end_is_mailed_while_the_keys_are_still_refused(
    integration: Integration, worker: Any
) -> None:
    for code in ("timeout", "invalid_credentials"):
        begin(integration, code)
        worker(outages.notify_began, integration)
    mail.outbox.clear()
    close_issues(integration, kind=KIND_INTEGRATION, codes=["timeout"])
    worker(outages.notify_ended, integration)
    before = len(mail.outbox)

    close_issues(integration, kind=KIND_INTEGRATION)
    worker(outages.notify_ended, integration)

    assert before == 0
    assert subjects() == ["[audIT] ConnectWise Manage works again"]


def test_the_next_outage_is_mailed_again(
    integration: Integration, worker: Any, time_machine: Any
) -> None:
    for minutes in (0, 5, 10):
        time_machine.move_to(START + timedelta(minutes=minutes), tick=False)
        begin(integration)
        worker(outages.notify_began, integration)
        close_issues(integration, kind=KIND_INTEGRATION)
        worker(outages.notify_ended, integration)

    assert len(mail.outbox) == 6
