"""A mail that could not be sent is tried again, and none is sent twice."""

from __future__ import annotations

import socket
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from audit_site.tenants.mails import MailNotSent
from integrations.issues import outages
from integrations.issues.inbox import KIND_INTEGRATION, close_issues
from integrations.models import Integration, Issue
from integrations.tasks import tell_admins as task
from tests.concurrency import at_once
from tests.factories import make_integration, make_member, make_tenant
from tests.integrations.issues.outages import SMTP, begin, mail_admins, subjects
from tests.mail_server import picky_server


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def dead_mail_server(settings: Any) -> None:
    settings.EMAIL_BACKEND = SMTP
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = closed_port()
    settings.EMAIL_HOST_USER = "audit"
    settings.EMAIL_HOST_PASSWORD = "hush-hush"


def test_a_mail_that_was_not_sent_is_not_marked_as_sent(
    integration: Integration, dead_mail_server: None, settings: Any, caplog: Any
) -> None:
    begin(integration)

    with pytest.raises(MailNotSent) as raised:
        mail_admins(integration, "began")
    said = Issue.objects.get().told_at
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    mail_admins(integration, "began")

    assert said is None
    assert str(raised.value) == "ConnectionRefusedError"
    assert "hush-hush" not in caplog.text
    assert "grace@example.com" not in caplog.text
    assert f"mail_not_sent integration={integration.pk}" in caplog.text
    assert len(mail.outbox) == 1


def test_an_end_that_was_not_sent_can_be_sent_again(
    integration: Integration, settings: Any
) -> None:
    begin(integration)
    mail_admins(integration, "began")
    close_issues(integration, kind=KIND_INTEGRATION)
    locmem, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, SMTP
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", closed_port()

    with pytest.raises(MailNotSent):
        mail_admins(integration, "ended")
    settings.EMAIL_BACKEND = locmem
    for _ in range(2):
        mail_admins(integration, "ended")

    assert subjects() == [
        "[audIT] ConnectWise Manage can't be read",
        "[audIT] ConnectWise Manage works again",
    ]


class ThirdTime(EmailBackend):
    """A mail server that is there again at the third try."""

    tries = 0

    def send_messages(self, messages: Any) -> int:
        type(self).tries += 1
        if self.tries < 3:
            raise ConnectionRefusedError
        return super().send_messages(messages)


def test_the_task_tries_again_until_the_mail_server_takes_it(
    integration: Integration, worker: Any, settings: Any
) -> None:
    ThirdTime.tries = 0
    settings.EMAIL_BACKEND = f"{__name__}.ThirdTime"
    begin(integration)

    worker(outages.notify_began, integration)

    assert ThirdTime.tries == 3
    assert len(mail.outbox) == 1


def test_the_task_gives_up_after_hours_and_breaks_nobody(
    integration: Integration, worker: Any, dead_mail_server: None, caplog: Any
) -> None:
    begin(integration)

    worker(outages.notify_began, integration)

    waits = [min(30 * 2**number, 1800) for number in range(task.max_retries)]
    assert caplog.text.count("mail_not_sent") == 15
    assert task.retry_backoff == 30
    assert timedelta(hours=4) < timedelta(seconds=sum(waits)) < timedelta(hours=5)
    assert max(waits) < current_app.conf.broker_transport_options.get("visibility_timeout", 3600)
    assert Issue.objects.get().told_at is None


def test_an_admin_whose_address_is_refused_keeps_no_other_from_hearing(
    integration: Integration, settings: Any
) -> None:
    make_member(integration.tenant, email="gone@example.com")
    with picky_server(settings) as server:
        server.answers["gone@example.com"] = "550 5.1.1 No such user"
        begin(integration)

        mail_admins(integration, "began")

    assert [recipients for recipients, _ in server.taken] == [
        ["ada@example.com", "grace@example.com"]
    ]


@pytest.mark.parametrize(("answer", "is_told"), [("550 5.1.1 No", True), ("450 4.2.0 No", False)])
def test_what_is_refused_for_good_is_not_tried_again(
    integration: Integration, settings: Any, caplog: Any, answer: str, is_told: bool
) -> None:
    with picky_server(settings) as server:
        server.answers = dict.fromkeys(["ada@example.com", "grace@example.com"], answer)
        begin(integration)

        for _ in range(2):
            with nullcontext() if is_told else pytest.raises(MailNotSent):
                mail_admins(integration, "began")

    assert len(server.asked) == (2 if is_told else 4)
    assert f"mail_refused integration={integration.pk} answer={answer[:9]}" in caplog.text
    assert (Issue.objects.get().told_at is not None) == is_told


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_send_one_mail() -> None:
    tenant = make_tenant()
    make_member(tenant)
    integration = make_integration(tenant)
    begin(integration, "timeout")
    begin(integration, "dns_failure")

    at_once(*[lambda: mail_admins(integration, "began")] * 4)
    close_issues(integration, kind=KIND_INTEGRATION)
    at_once(*[lambda: mail_admins(integration, "ended")] * 4)

    assert sorted(subjects()) == sorted(
        [f"[audIT] {integration.name} can't be read", f"[audIT] {integration.name} works again"]
    )
