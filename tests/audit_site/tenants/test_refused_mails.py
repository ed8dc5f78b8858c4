"""One refused address is one invitation's trouble; a mail server that is away is everybody's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit_site.tenants.invitation_mails import send_waiting_invitations
from audit_site.tenants.invitations import invite, send_again
from audit_site.tenants.models import Invitation, Tenant, User
from tests.clients import browser, page_text
from tests.mail_server import PickyServer, picky_server

NEVER = "550 5.1.1 <bad@example.com>: Recipient address rejected"
LATER = "450 4.2.0 <bad@example.com>: Greylisted"


@pytest.fixture
def server(settings: Any) -> Iterator[PickyServer]:
    with picky_server(settings) as server:
        yield server


@pytest.fixture
def bad(tenant: Tenant, alex: User) -> Invitation:
    return invite(tenant=tenant, actor=alex, email="bad@example.com", role="viewer")


@pytest.fixture
def good(bad: Invitation, other_tenant: Tenant, otto: User) -> Invitation:
    return invite(tenant=other_tenant, actor=otto, email="good@example.com", role="viewer")


def taken(server: PickyServer) -> list[str]:
    return [address for recipients, _ in server.taken for address in recipients]


def move_on(by: timedelta) -> None:
    for row in Invitation.objects.exclude(mail_next_at=None):
        Invitation.objects.filter(pk=row.pk).update(mail_next_at=row.mail_next_at - by)


def test_a_refused_address_stops_no_other(
    server: PickyServer, bad: Invitation, good: Invitation, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers["bad@example.com"] = NEVER
    before = bad.expires_at

    for _ in range(3):
        send_waiting_invitations()

    assert server.asked == ["bad@example.com", "good@example.com"]
    assert taken(server) == ["good@example.com"]
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.sent_at, bad.mail_refused, bad.mail_tries) == (None, "550 5.1.1", 0)
    assert bad.expires_at == before
    assert good.sent_at is not None
    assert f"mail_refused invitation={bad.pk} answer=550 5.1.1" in caplog.text
    assert "bad@example.com" not in caplog.text


def test_the_admin_sees_it_and_may_send_it_again(
    server: PickyServer, bad: Invitation, alex: User
) -> None:
    server.answers["bad@example.com"] = NEVER
    send_waiting_invitations()

    for address in ("/account/people/", f"/account/people/{bad.pk}/"):
        shown = page_text(browser(alex).get(address))
        assert "The mail server refused this address" in shown
        assert "E-mail waits to be sent" not in shown
    server.answers.clear()
    send_again(invitation=bad, actor=alex)
    assert "E-mail waits to be sent" in page_text(browser(alex).get("/account/people/"))
    send_waiting_invitations()

    assert taken(server) == ["bad@example.com"]
    bad.refresh_from_db()
    assert bad.mail_refused == ""


def test_later_is_tried_later_each_time_after_a_longer_wait(
    server: PickyServer, bad: Invitation, good: Invitation
) -> None:
    server.answers["bad@example.com"] = LATER
    waits = []
    for _ in range(8):
        send_waiting_invitations()
        send_waiting_invitations()  # too early
        bad.refresh_from_db()
        waits.append(round((bad.mail_next_at - timezone.now()) / timedelta(minutes=1)))
        move_on(timedelta(hours=4))

    assert waits == [5, 10, 20, 40, 80, 160, 240, 240]
    assert (bad.mail_tries, bad.mail_refused, bad.sent_at) == (8, "", None)
    assert server.asked == ["bad@example.com", "good@example.com", *["bad@example.com"] * 7]


def test_an_invitation_that_ran_out_unsent_is_not_tried_for_ever(
    server: PickyServer, bad: Invitation
) -> None:
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    send_waiting_invitations()

    assert server.asked == []


def test_its_days_count_from_when_it_was_sent(server: PickyServer, bad: Invitation) -> None:
    Invitation.objects.update(expires_at=timezone.now() + timedelta(hours=1))

    send_waiting_invitations()

    bad.refresh_from_db()
    assert bad.sent_at is not None
    assert bad.expires_at - bad.sent_at > timedelta(days=6, hours=23)


@pytest.mark.parametrize("answer", ["554 5.7.1 Spam", "451 4.7.1 Not now"])
def test_so_is_a_refused_content(
    server: PickyServer, bad: Invitation, good: Invitation, answer: str
) -> None:
    server.after_data = answer

    send_waiting_invitations()

    assert server.asked == ["bad@example.com", "good@example.com"]


def test_a_server_that_hangs_up_ends_the_pass_and_the_next_begins_with_another(
    server: PickyServer, bad: Invitation, good: Invitation
) -> None:
    server.answers["bad@example.com"] = "421 4.7.0 Closing"

    send_waiting_invitations()
    assert server.asked == ["bad@example.com"]
    send_waiting_invitations()

    assert server.asked == ["bad@example.com", "good@example.com", "bad@example.com"]
    bad.refresh_from_db()
    assert (bad.mail_refused, bad.mail_tries, bad.sent_at) == ("", 0, None)
