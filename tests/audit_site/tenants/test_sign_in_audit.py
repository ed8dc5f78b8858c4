"""Sign-ins and refused ones, passwords and second factors stand in the trail of each tenant."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account import signals as account
from allauth.account.models import EmailAddress
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.core import mail
from django.test import Client

from audit_site.tenants.models import AuditEvent, Membership, Tenant, User
from tests.clients import browser, page_text
from tests.factories import PASSWORD
from tests.mail_server import picky_server

SIGN_IN = "/accounts/login/"


@pytest.fixture
def both(alex: User, other_tenant: Tenant) -> User:
    """Alex, in two tenants."""
    Membership.objects.create(tenant=other_tenant, user=alex, role="viewer")
    return alex


def sign_in(email: str, password: str = PASSWORD) -> Client:
    client = Client(headers={"user-agent": "Firefox"}, REMOTE_ADDR="203.0.113.9")
    client.post(SIGN_IN, {"login": email, "password": password})
    return client


def trail() -> list[tuple[str, str, str]]:
    rows = AuditEvent.objects.order_by("tenant_id", "id")
    return [(event.action, event.actor_type, event.object_name) for event in rows]


def test_a_sign_in_stands_in_each_tenant_of_the_person(both: User, tenant: Tenant) -> None:
    sign_in(both.email)

    assert trail() == [("person.signed_in", "user", "Alex Admin")] * 2
    event = AuditEvent.objects.get(tenant=tenant)
    assert (event.ip, event.user_agent, event.door) == ("203.0.113.9", "Firefox", "page")
    assert (event.actor_id, event.object_id) == (str(both.pk), str(both.pk))


def test_a_refused_one_too_and_nothing_that_was_typed(both: User) -> None:
    sign_in(both.email.upper(), "my-secret-guess")

    assert trail() == [("person.sign_in_refused", "system", "Alex Admin")] * 2
    assert "my-secret-guess" not in str(AuditEvent.objects.values_list())


def test_of_an_address_that_nobody_has_only_the_log_says_it(
    both: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="audit_site.tenants.sign_in_audit")

    sign_in("nobody@example.com")

    assert trail() == []
    assert [record.getMessage() for record in caplog.records] == ["sign_in_refused person=unknown"]


def test_signing_out(alex: User) -> None:
    sign_in(alex.email).post("/accounts/logout/")

    assert [action for action, *_ in trail()] == ["person.signed_in", "person.signed_out"]


def test_a_changed_password(alex: User) -> None:
    typed = {"oldpassword": PASSWORD, "password1": "another-battery-9", "password2": ""}
    typed["password2"] = typed["password1"]

    answer = browser(alex).post("/accounts/password/change/", typed)

    assert answer.status_code == 302
    assert trail() == [("person.password_changed", "user", "Alex Admin")]
    assert "another-battery-9" not in str(AuditEvent.objects.values_list())


def test_a_password_that_was_set_by_a_link(alex: User, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    EmailAddress.objects.get_or_create(
        user=alex, email=alex.email, defaults={"verified": True, "primary": True}
    )
    client = Client()
    client.post("/accounts/password/reset/", {"email": alex.email})
    link = re.search(r"/accounts/password/reset/key/\S+", mail.outbox[0].body)
    assert link
    form = client.get(link[0], follow=True).redirect_chain[-1][0]

    typed = {"password1": "another-battery-9", "password2": "another-battery-9"}
    done = client.post(form, typed, follow=True)

    assert '<h1 class="mb-3">Your password is set</h1>' in page_text(done)
    assert "Your password is changed." not in page_text(done)

    actions = [action for action, *_ in trail()]
    assert actions[:1] == ["person.password_reset"]
    assert link[0].split("/")[-2] not in str(AuditEvent.objects.values_list())


def test_second_factors(alex: User) -> None:
    factor = TOTP.activate(alex, "JBSWY3DPEHPK3PXP").instance

    for signal in (mfa.authenticator_added, mfa.authenticator_reset, mfa.authenticator_removed):
        signal.send(sender=Authenticator, request=None, user=alex, authenticator=factor)
    mfa.authentication_failed.send(sender=Authenticator, request=None, user=alex)

    assert [(event.action, event.after) for event in AuditEvent.objects.order_by("id")] == [
        ("person.second_factor_added", {"factor": "TOTP Authenticator"}),
        ("person.second_factor_renewed", {"factor": "TOTP Authenticator"}),
        ("person.second_factor_removed", {"factor": "TOTP Authenticator"}),
        ("person.second_factor_refused", None),
    ]
    assert "JBSWY3DPEHPK3PXP" not in str(AuditEvent.objects.values_list())


def test_a_wrong_code_at_sign_in(alex: User) -> None:
    TOTP.activate(alex, "JBSWY3DPEHPK3PXP")
    client = sign_in(alex.email)

    client.post("/accounts/2fa/authenticate/", {"code": "000000"})

    assert trail() == [("person.second_factor_refused", "system", "Alex Admin")]


def test_addresses(alex: User) -> None:
    old = EmailAddress(user=alex, email="old@example.com")
    new = EmailAddress(user=alex, email="new@example.com")
    sent: dict[str, Any] = {"sender": User, "request": None}

    account.email_added.send(**sent, user=alex, email_address=new)
    account.email_confirmed.send(**sent, email_address=new)
    account.email_changed.send(**sent, user=alex, from_email_address=old, to_email_address=new)
    account.email_removed.send(**sent, user=alex, email_address=old)

    rows = AuditEvent.objects.order_by("id").values_list("action", "before", "after")
    assert list(rows) == [
        ("person.email_added", None, {"email": "new@example.com"}),
        ("person.email_confirmed", None, {"email": "new@example.com"}),
        ("person.email_changed", {"email": "old@example.com"}, {"email": "new@example.com"}),
        ("person.email_removed", None, {"email": "old@example.com"}),
    ]


def test_a_notice_that_is_refused_loses_no_event(alex: User, settings: Any) -> None:
    client = sign_in(alex.email)
    new = "four-new-words-here"
    with picky_server(settings) as server:
        server.answers[alex.email] = "550 5.1.1 No such user"
        typed = {"oldpassword": PASSWORD, "password1": new, "password2": new}
        answer = client.post("/accounts/password/change/", typed)

    assert answer["Location"] == "/account/you/"
    assert server.asked == [alex.email]
    assert AuditEvent.objects.filter(action="person.password_changed").count() == 1
