"""One mail when an outage begins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core import mail
from django.core.mail import EmailMessage

from audit_site.tenants.models import Tenant
from integrations.connecting import outage_mails
from integrations.issues import outages
from integrations.issues.inbox import (
    KIND_INTEGRATION,
    IssueReport,
    close_issues,
    dismiss,
    raise_issues,
)
from integrations.models import Integration, Issue
from integrations.runs.pausing import pause_integration
from tests.factories import make_integration
from tests.integrations.issues.outages import START, begin, mail_admins, subjects


def test_an_outage_is_one_mail_to_all_admins(
    integration: Integration, worker: Any, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://audit.example.com"
    begin(integration)

    worker(outages.notify_began, integration)

    [message] = mail.outbox
    assert message.subject == "[audIT] ConnectWise Manage can't be read"
    assert sorted(message.to) == ["ada@example.com", "grace@example.com"]
    assert message.body == (
        "ConnectWise Manage has not been reachable since Wed 25 Nov 2026, 14:05 (Europe/Berlin).\n"
        "\n"
        "What happened: ConnectWise Manage did not answer within 30 seconds.\n"
        "\n"
        "What to do: Check its status page.\n"
        "\n"
        "Your data stays as it was: audITees, agreements and MRR are kept as they were last read.\n"
        "It goes on by itself as soon as ConnectWise Manage can be read; the next try is on "
        "Wed 25 Nov 2026, 14:35 (Europe/Berlin).\n"
        "You get one more e-mail when it is over, and none in between.\n"
        "\n"
        "Right now: Unreachable. ConnectWise Manage has not been reachable. ConnectWise Manage did "
        "not answer within 30 seconds.\n"
        "\n"
        f"https://audit.example.com/integrations/{integration.pk}/\n"
        "\n"
        "This goes to the admins of Nordlicht IT at audIT.\n"
    )
    assert Issue.objects.get().told_at == START


def test_refused_keys_are_mailed_as_such(integration: Integration, worker: Any) -> None:
    Integration.objects.update(status="failing")
    begin(
        integration,
        "invalid_credentials",
        message="ConnectWise Manage refused the keys.",
        fix="Make new ones under API Members.",
    )

    worker(outages.notify_began, integration)

    [message] = mail.outbox
    assert message.subject == "[audIT] ConnectWise Manage no longer accepts the keys"
    assert message.body.startswith(
        "ConnectWise Manage has refused the stored keys since "
        "Wed 25 Nov 2026, 14:05 (Europe/Berlin).\n\n"
        "What happened: ConnectWise Manage refused the keys.\n\n"
        "What to do: an admin needs to replace the keys. Make new ones under API Members.\n\n"
    )
    assert "Nothing is read until keys are saved that work." in message.body
    assert "by itself" not in message.body


def test_where_nothing_goes_on_by_itself_the_mail_says_so(
    integration: Integration, worker: Any
) -> None:
    Integration.objects.update(schedule="off", next_sync_at=None)
    integration.refresh_from_db()
    begin(integration, fix="")

    worker(outages.notify_began, integration)

    body = mail.outbox[0].body
    assert "It is not tried again by itself: press Sync Now" in body
    assert "goes on by itself" not in body
    assert "What to do" not in body


def test_while_it_is_paused_the_mail_says_to_resume(integration: Integration, worker: Any) -> None:
    pause_integration(integration=integration, actor=None)
    begin(integration)

    worker(outages.notify_began, integration)

    body = mail.outbox[0].body
    assert (
        "It is not tried again by itself while it is paused: resume it when ConnectWise Manage can "
        "be read again."
    ) in body
    assert "Right now: Paused. ConnectWise Manage was paused: nothing is read by itself." in body
    assert "Sync Now" not in body


def test_the_same_outage_is_mailed_once(integration: Integration, worker: Any) -> None:
    for _ in range(3):
        begin(integration)
        worker(outages.notify_began, integration)
    mail_admins(integration, "began")

    assert len(mail.outbox) == 1
    assert Issue.objects.get().times == 3


def test_an_outage_that_goes_on_under_another_code_is_mailed_once(
    integration: Integration, worker: Any, time_machine: Any
) -> None:
    begin(integration, "timeout")
    worker(outages.notify_began, integration)
    time_machine.move_to(START + timedelta(hours=1), tick=False)
    close_issues(integration, kind=KIND_INTEGRATION, codes=["timeout"])
    begin(integration, "dns_failure")

    worker(outages.notify_began, integration)
    worker(outages.notify_ended, integration)
    begin(integration, "connection_refused")
    worker(outages.notify_began, integration)
    close_issues(integration, kind=KIND_INTEGRATION)
    worker(outages.notify_ended, integration)

    assert subjects() == [
        "[audIT] ConnectWise Manage can't be read",
        "[audIT] ConnectWise Manage works again",
    ]


def test_an_outage_after_an_end_that_was_never_mailed_is_mailed(
    integration: Integration, worker: Any, time_machine: Any
) -> None:
    begin(integration)
    worker(outages.notify_began, integration)
    close_issues(integration, kind=KIND_INTEGRATION)
    time_machine.move_to(START + timedelta(days=9), tick=False)
    begin(integration)

    worker(outages.notify_began, integration)

    assert subjects() == ["[audIT] ConnectWise Manage can't be read"] * 2


def test_keys_are_mailed_also_during_an_outage_and_an_outage_not_during_refused_keys(
    integration: Integration, worker: Any
) -> None:
    for code in ("timeout", "account_locked", "dns_failure", "mfa_required"):
        begin(integration, code)
        worker(outages.notify_began, integration)

    assert subjects() == [
        "[audIT] ConnectWise Manage can't be read",
        "[audIT] ConnectWise Manage no longer accepts the keys",
    ]
    assert not Issue.objects.filter(told_at=None).exists()


def test_other_issues_and_dismissed_ones_are_not_mailed(
    integration: Integration, worker: Any
) -> None:
    raise_issues(integration, [IssueReport("companies", "timeout", "Odd.", external_id="7")])
    begin(integration, "permission_denied")
    begin(integration, "timeout")
    dismiss(Issue.objects.get(code="timeout", kind=KIND_INTEGRATION), actor=None)

    worker(outages.notify_began, integration)
    mail_admins(integration, "began")

    assert mail.outbox == []


def test_no_mail_is_about_what_was_disconnected_or_is_another_tenants(
    integration: Integration, other_tenant: Tenant
) -> None:
    begin(integration)
    outage_mails.notify_admins(
        tenant_id=str(other_tenant.pk), integration_id=str(integration.pk), what="began"
    )
    Integration.objects.update(status="disconnected")
    mail_admins(integration, "began")

    assert mail.outbox == []


def test_without_admins_nothing_is_marked_as_sent(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    begin(integration)

    mail_admins(integration, "began")

    assert Issue.objects.get().told_at is None


def test_a_name_with_a_line_break_is_one_line_and_no_header(integration: Integration) -> None:
    Integration.objects.update(name="Connect\nBcc: all@example.com")
    begin(integration)

    mail_admins(integration, "began")

    assert subjects() == ["[audIT] Connect Bcc: all@example.com can't be read"]


def test_a_mail_is_plain_and_not_escaped(integration: Integration) -> None:
    Integration.objects.update(name="R&D <east>")
    begin(integration, message='It said "no" & left.')

    mail_admins(integration, "began")

    assert "R&D <east> has not been reachable" in mail.outbox[0].body
    assert 'What happened: It said "no" & left.' in mail.outbox[0].body
    assert type(mail.outbox[0]) is EmailMessage  # plain text alone
