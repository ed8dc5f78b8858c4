"""The e-mails of invitations: sent by a worker, and nothing but they holds the link."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from audit_site.tenants.invitation_mails import send_waiting_invitations
from audit_site.tenants.invitations import find_invitation, hash_link, invite, send_again, withdraw
from audit_site.tenants.models import AuditEvent, Invitation, Tenant, User

LINK = re.compile(r"https://audit\.example\.com/account/invitation/([\w-]{43})/")


@pytest.fixture(autouse=True)
def _public(settings: Any) -> None:
    settings.PUBLIC_URL = "https://audit.example.com"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture
def invited(tenant: Tenant, alex: User) -> Invitation:
    return invite(tenant=tenant, actor=alex, email="new@example.com", role="admin")


def links() -> list[str]:
    return [found[1] for sent in mail.outbox for found in LINK.finditer(str(sent.body))]


def test_it_says_who_invites_to_what_and_how_long(tenant: Tenant, invited: Invitation) -> None:
    send_waiting_invitations()

    (sent,) = mail.outbox
    assert sent.to == ["new@example.com"]
    assert sent.subject == f"[audIT] You are invited to {tenant.name}"
    (token,) = links()
    assert str(sent.body) == (
        f"Alex Admin invites you to work in the account of {tenant.name} at audIT, as an admin.\n\n"
        "Open this link to accept. It is good once, for 7 days, and for new@example.com alone:\n\n"
        f"https://audit.example.com/account/invitation/{token}/\n\n"
        "What to do if you don't know what this is: nothing. Nobody is added by this e-mail. "
        "Questions go to help@auditforit.com.\n"
    )
    assert find_invitation(hash_link(token)) == invited


def test_it_is_sent_once_however_often_the_worker_looks(invited: Invitation) -> None:
    send_waiting_invitations()
    send_waiting_invitations()

    assert len(mail.outbox) == 1


def test_nothing_but_the_mail_holds_the_link(
    invited: Invitation, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        send_waiting_invitations()

    (token,) = links()
    assert token not in str(Invitation.objects.values().get())
    assert token not in str(list(AuditEvent.objects.values()))
    assert token not in caplog.text


def test_sent_again_the_link_is_another_and_the_first_ends(invited: Invitation, alex: User) -> None:
    send_waiting_invitations()
    send_again(invitation=invited, actor=alex)
    send_waiting_invitations()

    first, second = links()
    assert find_invitation(hash_link(first)) is None
    assert find_invitation(hash_link(second)) == invited


def test_the_first_link_ends_before_the_second_is_sent(invited: Invitation, alex: User) -> None:
    send_waiting_invitations()
    (first,) = links()
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    send_again(invitation=invited, actor=alex)

    assert find_invitation(hash_link(first)) is None
    assert Invitation.objects.get().token_hash is None


def test_what_was_withdrawn_is_not_sent(invited: Invitation, alex: User) -> None:
    withdraw(invitation=invited, actor=alex)

    send_waiting_invitations()

    assert mail.outbox == []


def test_a_mail_server_that_is_away_is_tried_again(invited: Invitation, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    send_waiting_invitations()
    invited.refresh_from_db()
    assert invited.sent_at is None

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    send_waiting_invitations()

    assert len(links()) == 1


def test_a_name_with_a_line_break_is_one_line_and_no_header(tenant: Tenant, alex: User) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(name="Acme\nBcc: x@example.com")
    invite(tenant=tenant, actor=alex, email="new@example.com", role="viewer")

    send_waiting_invitations()

    (sent,) = mail.outbox
    assert sent.subject == "[audIT] You are invited to Acme Bcc: x@example.com"
    assert sent.recipients() == ["new@example.com"]
