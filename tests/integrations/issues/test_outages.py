from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import current_app
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from audit_site.tenants.models import Membership, Tenant, User
from integrations.models import Integration, Issue
from integrations.services import notices
from integrations.services.issues import WHOLE, Trouble, close_issues, dismiss, raise_issues
from integrations.tasks import tell_admins as task
from tests.factories import make_integration, make_member, make_tenant
from tests.integrations.importing.test_licence import at_once

START = datetime(2026, 11, 25, 13, 5, tzinfo=UTC)  # 14:05 in Berlin
SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture
def berlin(time_machine: Any, db: None) -> Tenant:
    time_machine.move_to(START, tick=False)
    tenant = make_tenant(name="Nordlicht IT", timezone="Europe/Berlin")
    for email, role, is_active in [
        ("grace@example.com", "admin", True),
        ("ada@example.com", "admin", True),
        ("left@example.com", "admin", False),
        ("linus@example.com", "member", True),
    ]:
        user = User.objects.create(email=email, is_active=is_active)
        Membership.objects.create(tenant=tenant, user=user, role=role)
    return tenant


@pytest.fixture
def integration(berlin: Tenant) -> Integration:
    return make_integration(
        berlin, name="ConnectWise Manage", next_sync_at=START + timedelta(minutes=30)
    )


@pytest.fixture
def worker(django_capture_on_commit_callbacks: Any) -> Iterator[Callable[..., None]]:
    """Does at once what `enqueue` asks for, through the broker's own serialization rules."""
    current_app.conf.task_always_eager = True

    def run(act: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            act(*args, **kwargs)

    yield run
    current_app.conf.task_always_eager = False


def trouble(code: str = "timeout", **over: Any) -> Trouble:
    values = {
        "message": "ConnectWise Manage did not answer within 30 seconds.",
        "fix": "Check its status page.",
        **over,
    }
    return Trouble(WHOLE, code, **values)


def begin(integration: Integration, code: str = "timeout", **over: Any) -> None:
    raise_issues(integration, [trouble(code, **over)])


def tell(integration: Integration, what: str) -> None:
    notices.tell_admins(
        tenant_id=str(integration.tenant_id), integration_id=str(integration.pk), what=what
    )


def subjects() -> list[str]:
    return [message.subject for message in mail.outbox]


# One when it begins


def test_an_outage_is_told_to_all_admins_in_one_mail(
    integration: Integration, worker: Any, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://audit.example.com"
    begin(integration)

    worker(notices.tell_began, integration)

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
        f"https://audit.example.com/integrations/{integration.pk}/\n"
        "\n"
        "This goes to the admins of Nordlicht IT at audIT.\n"
    )
    assert Issue.objects.get().told_at == START


def test_refused_keys_are_told_as_such(integration: Integration, worker: Any) -> None:
    Integration.objects.update(status="failing")
    begin(
        integration,
        "invalid_credentials",
        message="ConnectWise Manage refused the keys.",
        fix="Make new ones under API Members.",
    )

    worker(notices.tell_began, integration)

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

    worker(notices.tell_began, integration)

    body = mail.outbox[0].body
    assert "It is not tried again by itself: press Sync Now" in body
    assert "goes on by itself" not in body
    assert "What to do" not in body


def test_the_same_outage_is_told_once(integration: Integration, worker: Any) -> None:
    for _ in range(3):
        begin(integration)
        worker(notices.tell_began, integration)
    tell(integration, "began")

    assert len(mail.outbox) == 1
    assert Issue.objects.get().times == 3


def test_an_outage_that_goes_on_under_another_code_is_told_once(
    integration: Integration, worker: Any, time_machine: Any
) -> None:
    begin(integration, "timeout")
    worker(notices.tell_began, integration)
    time_machine.move_to(START + timedelta(hours=1), tick=False)
    close_issues(integration, kind=WHOLE, codes=["timeout"])
    begin(integration, "dns_failure")

    worker(notices.tell_began, integration)
    worker(notices.tell_ended, integration)
    begin(integration, "connection_refused")
    worker(notices.tell_began, integration)
    close_issues(integration, kind=WHOLE)
    worker(notices.tell_ended, integration)

    assert subjects() == [
        "[audIT] ConnectWise Manage can't be read",
        "[audIT] ConnectWise Manage works again",
    ]


def test_an_outage_after_an_end_that_was_never_told_is_told(
    integration: Integration, worker: Any, time_machine: Any
) -> None:
    begin(integration)
    worker(notices.tell_began, integration)
    close_issues(integration, kind=WHOLE)
    time_machine.move_to(START + timedelta(days=9), tick=False)
    begin(integration)

    worker(notices.tell_began, integration)

    assert subjects() == ["[audIT] ConnectWise Manage can't be read"] * 2


def test_keys_are_told_also_during_an_outage_and_an_outage_not_during_refused_keys(
    integration: Integration, worker: Any
) -> None:
    for code in ("timeout", "account_locked", "dns_failure", "mfa_required"):
        begin(integration, code)
        worker(notices.tell_began, integration)

    assert subjects() == [
        "[audIT] ConnectWise Manage can't be read",
        "[audIT] ConnectWise Manage no longer accepts the keys",
    ]
    assert not Issue.objects.filter(told_at=None).exists()


def test_other_issues_and_dismissed_ones_are_not_told(
    integration: Integration, worker: Any
) -> None:
    raise_issues(integration, [Trouble("companies", "timeout", "Odd.", external_id="7")])
    begin(integration, "permission_denied")
    begin(integration, "timeout")
    dismiss(Issue.objects.get(code="timeout", kind=WHOLE), actor=None)

    worker(notices.tell_began, integration)
    tell(integration, "began")

    assert mail.outbox == []


def test_nobody_is_told_of_what_was_disconnected_or_is_another_tenants(
    integration: Integration, other_tenant: Tenant
) -> None:
    begin(integration)
    notices.tell_admins(
        tenant_id=str(other_tenant.pk), integration_id=str(integration.pk), what="began"
    )
    Integration.objects.update(status="disconnected")
    tell(integration, "began")

    assert mail.outbox == []


def test_without_admins_nothing_is_marked_as_told(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    begin(integration)

    tell(integration, "began")

    assert Issue.objects.get().told_at is None


def test_a_name_with_a_line_break_is_one_line_and_no_header(integration: Integration) -> None:
    Integration.objects.update(name="Connect\nBcc: all@example.com")
    begin(integration)

    tell(integration, "began")

    assert subjects() == ["[audIT] Connect Bcc: all@example.com can't be read"]


def test_a_mail_is_plain_and_not_escaped(integration: Integration) -> None:
    Integration.objects.update(name="R&D <east>")
    begin(integration, message='It said "no" & left.')

    tell(integration, "began")

    assert "R&D <east> has not been reachable" in mail.outbox[0].body
    assert 'What happened: It said "no" & left.' in mail.outbox[0].body
    assert mail.outbox[0].alternatives == []


# One when it is over


def test_the_end_is_told_once(integration: Integration, worker: Any, time_machine: Any) -> None:
    begin(integration)
    worker(notices.tell_began, integration)
    mail.outbox.clear()
    time_machine.move_to(START + timedelta(hours=2), tick=False)
    close_issues(integration, kind=WHOLE)
    Integration.objects.update(next_sync_at=START + timedelta(hours=13))
    integration.refresh_from_db()

    for _ in range(3):
        worker(notices.tell_ended, integration)
    tell(integration, "ended")

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
    tell(integration, "began")
    close_issues(integration, kind=WHOLE)
    Integration.objects.update(**over)

    tell(integration, "ended")

    assert ("Automatic sync is off: press Sync Now" in mail.outbox[1].body) is says_off
    assert "next automatic sync" not in mail.outbox[1].body


def test_an_end_at_the_same_moment_is_told_too(integration: Integration, worker: Any) -> None:
    begin(integration)
    worker(notices.tell_began, integration)
    close_issues(integration, kind=WHOLE)

    for _ in range(2):
        worker(notices.tell_ended, integration)

    assert len(mail.outbox) == 2


def test_no_end_is_told_of_what_was_not_told(integration: Integration, worker: Any) -> None:
    begin(integration)
    close_issues(integration, kind=WHOLE)

    worker(notices.tell_began, integration)
    worker(notices.tell_ended, integration)
    tell(integration, "ended")

    assert mail.outbox == []


def test_no_end_is_told_while_the_keys_are_still_refused(
    integration: Integration, worker: Any
) -> None:
    for code in ("timeout", "invalid_credentials"):
        begin(integration, code)
        worker(notices.tell_began, integration)
    mail.outbox.clear()
    close_issues(integration, kind=WHOLE, codes=["timeout"])
    worker(notices.tell_ended, integration)
    before = len(mail.outbox)

    close_issues(integration, kind=WHOLE)
    worker(notices.tell_ended, integration)

    assert before == 0
    assert subjects() == ["[audIT] ConnectWise Manage works again"]


def test_the_next_outage_is_told_again(
    integration: Integration, worker: Any, time_machine: Any
) -> None:
    for minutes in (0, 5, 10):
        time_machine.move_to(START + timedelta(minutes=minutes), tick=False)
        begin(integration)
        worker(notices.tell_began, integration)
        close_issues(integration, kind=WHOLE)
        worker(notices.tell_ended, integration)

    assert len(mail.outbox) == 6


# Mail troubles


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


def test_a_mail_that_was_not_sent_is_not_marked_as_told(
    integration: Integration, dead_mail_server: None, settings: Any, caplog: Any
) -> None:
    begin(integration)

    with pytest.raises(notices.MailNotSent) as raised:
        tell(integration, "began")
    told = Issue.objects.get().told_at
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    tell(integration, "began")

    assert told is None
    assert str(raised.value) == "ConnectionRefusedError"
    assert "hush-hush" not in caplog.text
    assert "grace@example.com" not in caplog.text
    assert f"mail_not_sent integration={integration.pk}" in caplog.text
    assert len(mail.outbox) == 1


def test_an_end_that_was_not_sent_can_be_sent_again(
    integration: Integration, settings: Any
) -> None:
    begin(integration)
    tell(integration, "began")
    close_issues(integration, kind=WHOLE)
    locmem, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, SMTP
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", closed_port()

    with pytest.raises(notices.MailNotSent):
        tell(integration, "ended")
    settings.EMAIL_BACKEND = locmem
    for _ in range(2):
        tell(integration, "ended")

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

    worker(notices.tell_began, integration)

    assert ThirdTime.tries == 3
    assert len(mail.outbox) == 1


def test_the_task_gives_up_after_hours_and_breaks_nobody(
    integration: Integration, worker: Any, dead_mail_server: None, caplog: Any
) -> None:
    begin(integration)

    worker(notices.tell_began, integration)

    waits = [min(30 * 2**number, 1800) for number in range(task.max_retries)]
    assert caplog.text.count("mail_not_sent") == 15
    assert task.retry_backoff == 30
    assert timedelta(hours=4) < timedelta(seconds=sum(waits)) < timedelta(hours=5)
    assert max(waits) < current_app.conf.broker_transport_options.get("visibility_timeout", 3600)
    assert Issue.objects.get().told_at is None


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_send_one_mail() -> None:
    tenant = make_tenant()
    make_member(tenant)
    integration = make_integration(tenant)
    begin(integration, "timeout")
    begin(integration, "dns_failure")

    at_once(*[lambda: tell(integration, "began")] * 4)
    close_issues(integration, kind=WHOLE)
    at_once(*[lambda: tell(integration, "ended")] * 4)

    assert sorted(subjects()) == sorted(
        [f"[audIT] {integration.name} can't be read", f"[audIT] {integration.name} works again"]
    )


# Banners


def test_a_banner_says_since_when_and_what_comes_next(
    integration: Integration, berlin: Tenant
) -> None:
    begin(integration)

    [banner] = notices.banners(berlin)

    assert banner.text == (
        "ConnectWise Manage has not been reachable since 14:05. "
        "Your data stays as it was; the next try is at 14:35."
    )
    assert (banner.integration_id, banner.needs_keys) == (integration.pk, False)


@pytest.mark.parametrize(
    ("code", "over", "text"),
    [
        (
            "rate_limited",
            {"next_sync_at": START - timedelta(minutes=1)},
            "PSA has been asking us to wait since 14:05. "
            "Your data stays as it was; it is being tried again now.",
        ),
        (
            "bad_response",
            {"schedule": "off"},
            "PSA has not given answers that we can read since 14:05. "
            "Your data stays as it was; it is not tried again by itself.",
        ),
        (
            "dns_failure",
            {"paused_until": START + timedelta(hours=11)},
            "PSA has not been reachable since 14:05. "
            "Your data stays as it was; the next try is on 26 Nov, 01:05.",
        ),
        (
            "invalid_credentials",
            {"status": "failing"},
            "PSA no longer accepts the keys. An admin needs to replace them.",
        ),
    ],
)
def test_each_banner_says_what_is_so(
    berlin: Tenant, code: str, over: dict[str, Any], text: str
) -> None:
    values = {"name": "PSA", "next_sync_at": START + timedelta(minutes=30), **over}
    begin(make_integration(berlin, **values), code)

    assert [banner.text for banner in notices.banners(berlin)] == [text]


def test_an_outage_of_another_day_has_its_date(
    integration: Integration, berlin: Tenant, time_machine: Any
) -> None:
    begin(integration)
    time_machine.move_to(START + timedelta(days=1), tick=False)

    assert "since 25 Nov, 14:05." in notices.banners(berlin)[0].text


def test_banners_are_few_keys_first_and_cost_one_query(
    berlin: Tenant, django_assert_num_queries: Any
) -> None:
    for number in range(5):
        integration = make_integration(berlin, name=f"PSA {number}")
        begin(integration, "timeout")
        begin(integration, "dns_failure")
    begin(integration, "account_locked")

    with django_assert_num_queries(1):
        found = notices.banners(berlin)

    assert [banner.text.split(" ")[1] for banner in found] == ["4", "0", "1"]
    assert [banner.needs_keys for banner in found] == [True, False, False]


@pytest.mark.parametrize("quiet", ["dismissed", "closed", "disconnected", "another tenant's"])
def test_there_is_no_banner_for_what_is_quiet(
    integration: Integration, berlin: Tenant, other_tenant: Tenant, quiet: str
) -> None:
    begin(integration)
    if quiet == "dismissed":
        dismiss(Issue.objects.get(), actor=None)
    elif quiet == "closed":
        close_issues(integration, kind=WHOLE)
    elif quiet == "disconnected":
        Integration.objects.update(status="disconnected")

    assert notices.banners(other_tenant if quiet == "another tenant's" else berlin) == []
