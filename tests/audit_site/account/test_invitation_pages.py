"""What the link of an invitation opens, for strangers, for the right person, and for another."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit_site.tenants.invitations import hash_link
from audit_site.tenants.models import Invitation, Membership, Tenant, User
from tests.clients import browser, page_text, text
from tests.factories import PASSWORD, make_invitation, make_user

pytestmark = pytest.mark.django_db

LINK = "/account/invitation/the-link/"
NEW = {"do": "make-account", "name": "Nina", "password": "seven-green-lanterns"}


@pytest.fixture
def invited(tenant: Tenant, alex: User) -> Invitation:
    return make_invitation(
        tenant, "the-link", email="nina@example.com", role="viewer", invited_by=alex
    )


def members(tenant: Tenant) -> list[str]:
    return sorted(str(m.user.email) for m in Membership.objects.for_tenant(tenant))


def test_a_look_changes_nothing_and_says_who_invites_to_what(
    client: Client, tenant: Tenant, invited: Invitation
) -> None:
    before = Invitation.objects.values().get()

    for method in (client.get, client.head, client.get):
        answer = method(LINK)

    shown = page_text(answer)
    for words in (f"Join {tenant.name}", "Alex Admin", "Viewer", "nina@example.com"):
        assert words in shown
    assert Invitation.objects.values().get() == before
    assert "no-store" in answer["Cache-Control"]
    assert not User.objects.filter(email="nina@example.com").exists()


def test_who_is_new_makes_an_account_and_is_in(
    client: Client, tenant: Tenant, invited: Invitation
) -> None:
    done = client.post(LINK, NEW, follow=True)

    assert f"Welcome to {tenant.name}. Your role: viewer." in page_text(done)
    assert client.get("/api/v1/me/").json()["user"]["name"] == "Nina"
    assert members(tenant) == ["alex@example.com", "nina@example.com"]
    again = client.get(LINK)
    assert again.status_code == 410
    assert "This invitation was accepted already: a link is good once." in text(again)


def test_a_refused_password_keeps_the_name_and_the_invitation(
    client: Client, tenant: Tenant, invited: Invitation
) -> None:
    answer = client.post(LINK, {**NEW, "password": "short"})

    assert answer.status_code == 422
    assert 'value="Nina"' in text(answer)
    assert "at least 10 characters" in text(answer)
    assert "short" not in text(answer).replace("too short", "")
    assert members(tenant) == ["alex@example.com"]


def test_who_is_known_signs_in_comes_back_and_accepts(
    client: Client, tenant: Tenant, invited: Invitation
) -> None:
    make_user(email="nina@example.com")
    assert "has an account here" in page_text(client.get(LINK))
    assert "make-account" not in text(client.get(LINK))

    sign_in = client.post(LINK, {"do": "sign-in"})["Location"]
    assert sign_in == "/accounts/login/?next=/account/invitation/"
    back = client.post(
        sign_in,
        {"login": "nina@example.com", "password": PASSWORD, "next": "/account/invitation/"},
    )["Location"]
    assert members(tenant) == ["alex@example.com"]
    assert "You are signed in as nina@example.com." in page_text(client.get(back))
    done = client.post(back, {"do": "accept"}, follow=True)

    assert f"Welcome to {tenant.name}" in page_text(done)
    assert members(tenant) == ["alex@example.com", "nina@example.com"]


def test_a_known_address_gets_no_second_password(
    client: Client, tenant: Tenant, invited: Invitation
) -> None:
    user = make_user(email="nina@example.com")

    answer = client.post(LINK, NEW)

    assert answer.status_code == 409
    assert "nina@example.com has an account. Sign in with it" in text(answer)
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert members(tenant) == ["alex@example.com"]


def test_who_is_signed_in_as_somebody_else_is_told_and_not_attached(
    tenant: Tenant, otto: User, invited: Invitation
) -> None:
    page = browser(otto)
    shown = page_text(page.get(LINK))
    assert "otto@example.com</strong>, and this invitation is for" in shown
    assert 'value="accept"' not in shown

    refused = page.post(LINK, {"do": "accept"})
    assert refused.status_code == 403
    assert "This invitation is for nina@example.com" in text(refused)
    page.post(LINK, NEW)
    assert members(tenant) == ["alex@example.com"]

    out = page.post(LINK, {"do": "sign-out"})
    assert out["Location"] == "/account/invitation/"
    assert "Make my account and accept" in page_text(page.get("/account/invitation/"))
    assert page.get("/companies/").status_code == 302


def test_an_unproved_claim_is_told_from_an_account(client: Client, invited: Invitation) -> None:
    make_user(email="nina@example.com", is_proved=False)

    shown = page_text(client.get(LINK))

    assert "nobody has proved yet that the address is theirs" in shown
    assert 'value="sign-in"' in shown
    assert 'value="make-account"' in shown


@pytest.mark.parametrize(
    ("state", "sentence", "what_to_do"),
    [
        ({"accepted_at": timezone.now()}, "was accepted already", "Sign in as usual."),
        ({"revoked_at": timezone.now()}, "was withdrawn", "Ask the person who invited you"),
        ({"expires_at": timezone.now()}, "has run out", "Ask the person who invited you"),
    ],
)
def test_a_closed_invitation_says_why_and_what_to_do(
    client: Client,
    tenant: Tenant,
    invited: Invitation,
    state: dict[str, Any],
    sentence: str,
    what_to_do: str,
) -> None:
    Invitation.objects.update(**state)

    for answer in (client.get(LINK), client.post(LINK, NEW)):
        assert answer.status_code == 410
        assert sentence in text(answer)
        assert what_to_do in text(answer)
    assert members(tenant) == ["alex@example.com"]


@pytest.mark.parametrize("link", ["another", "the-link-", "x" * 10_000, hash_link("the-link")])
def test_a_link_of_no_mail_opens_nothing(client: Client, invited: Invitation, link: str) -> None:
    answer = client.get(f"/account/invitation/{link}/")

    assert answer.status_code == 404
    assert "This link opens nothing" in text(answer)
    assert client.get("/account/invitation/").status_code == 404


def test_pressing_accept_signed_out_does_nothing(
    client: Client, tenant: Tenant, invited: Invitation
) -> None:
    answer = client.post(LINK, {"do": "accept"})

    assert "You had been signed out, so nothing was done." in page_text(answer)
    assert members(tenant) == ["alex@example.com"]


def test_its_days_are_those_of_the_account(
    client: Client, tenant: Tenant, invited: Invitation
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(timezone="Pacific/Auckland")
    Invitation.objects.update(expires_at=datetime(2099, 6, 15, 20, tzinfo=UTC))

    assert "16 Jun 2099" in page_text(client.get(LINK))
