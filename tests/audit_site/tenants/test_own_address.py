"""A person's address changes when the new one is proved, and not before."""

from __future__ import annotations

import re
from email import message_from_string
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from audit_site.tenants.models import AddressChange, AuditEvent, Membership, User
from tests.clients import page_text, text
from tests.factories import PASSWORD, make_member, make_tenant, make_user
from tests.mail_server import picky_server
from tests.signing_in import LOGIN, later, prove_again, sign_in

YOU, ASK = "/account/you/", "/account/you/email/"
NEW = "new@example.com"


@pytest.fixture
def alexs(alex: User) -> Client:
    """A browser in which Alex has just shown who they are."""
    client = sign_in(alex)
    prove_again(client)
    mail.outbox.clear()
    return client


def ask(client: Client, email: str = NEW) -> Any:
    return client.post(ASK, {"email": email})


def link_to(address: str) -> str:
    (body,) = (str(sent.body) for sent in mail.outbox if sent.to == [address])
    found = re.search(r"http://127\.0\.0\.1:8000(/account/you/email/prove/\S+)", body)
    assert found
    return found[1]


def decoded(raw: str) -> str:
    return str(message_from_string(raw).get_payload(decode=True), "utf-8")


def events() -> list[str]:
    found = AuditEvent.objects.filter(action__startswith="address.").order_by("at")
    return list(found.values_list("action", flat=True))


def test_who_asks_shows_first_that_it_is_them(alex: User) -> None:
    client = sign_in(alex)

    asked = ask(client)

    assert asked["Location"] == f"/accounts/reauthenticate/?next={ASK.replace('/', '%2F')}"
    assert not AddressChange.objects.exists()
    client.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": ASK})
    assert AddressChange.objects.get().email == NEW  # what was typed was not lost


def test_a_link_goes_to_the_new_address_and_a_notice_to_the_old_one(
    alexs: Client, alex: User
) -> None:
    assert ask(alexs)["Location"] == YOU

    assert [sent.to for sent in mail.outbox] == [[NEW], ["alex@example.com"]]
    assert "asked to sign in with new@example.com" in str(mail.outbox[1].body)
    alex.refresh_from_db()
    assert alex.email == "alex@example.com"
    assert not EmailAddress.objects.filter(email=NEW).exists()
    assert "We sent a link to <strong>new@example.com</strong>." in page_text(alexs.get(YOU))
    assert events() == ["address.asked"]


def test_a_notice_that_is_refused_fails_nothing(
    alexs: Client, alex: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with picky_server(settings) as server:
        server.answers["alex@example.com"] = "550 5.1.1 No such user"
        assert ask(alexs)["Location"] == YOU
        (sent,) = server.taken
        link = re.search(r"/account/you/email/prove/\S+", decoded(sent[1]))[0]
        assert alexs.post(link)["Location"] == YOU

    alex.refresh_from_db()
    assert (sent[0], alex.email) == ([NEW], NEW)
    assert server.asked == [NEW, "alex@example.com", "alex@example.com"]
    assert events() == ["address.asked", "address.changed"]
    told = "mail_not_sent template=account/email/address_asked error=550 5.1.1"
    assert told in caplog.text
    assert "alex@example.com" not in caplog.text


def test_a_link_that_is_refused_is_said(alexs: Client, settings: Any) -> None:
    with picky_server(settings) as server:
        server.answers[NEW] = "550 5.1.1 No such user"
        answer = ask(alexs)
        again = alexs.post(f"{ASK}again/", follow=True)

    assert answer.status_code == 422
    assert "Our mail server could not send to this address." in text(answer)
    assert f'value="{NEW}"' in text(answer)
    assert "Our mail server could not send to this address." in page_text(again)
    assert server.asked == [NEW, NEW]


def test_opening_the_link_asks_and_the_button_makes_the_change(alexs: Client, alex: User) -> None:
    ask(alexs)
    link = link_to(NEW)
    mail.outbox.clear()

    shown = page_text(alexs.get(link))  # programs that look at mails open links too
    alex.refresh_from_db()
    before = alex.email
    assert alexs.post(link)["Location"] == YOU

    alex.refresh_from_db()
    assert "From now on you sign in with <strong>new@example.com</strong>" in shown
    assert (before, alex.email) == ("alex@example.com", NEW)
    address = EmailAddress.objects.get(user=alex)
    assert (address.email, address.verified, address.primary) == (NEW, True, True)
    assert [sent.to for sent in mail.outbox] == [["alex@example.com"]]
    assert mail.outbox[0].subject == "[audIT] Your e-mail address was changed"
    assert events() == ["address.asked", "address.changed"]
    assert Client().post(LOGIN, {"login": NEW, "password": PASSWORD}).status_code == 302
    assert (
        Client().post(LOGIN, {"login": "alex@example.com", "password": PASSWORD}).status_code == 200
    )


def test_the_trail_says_what_became_of_what(alexs: Client, alex: User) -> None:
    ask(alexs)
    alexs.post(link_to(NEW))

    event = AuditEvent.objects.get(action="address.changed")
    assert (event.actor_id, event.object_id) == (str(alex.pk), str(alex.pk))
    assert (event.before, event.after) == ({"email": "alex@example.com"}, {"email": NEW})


def test_a_link_works_once(alexs: Client) -> None:
    ask(alexs)
    link = link_to(NEW)
    alexs.post(link)

    again = alexs.post(link)

    assert again.status_code == 410
    assert "not valid any more" in text(again)


def test_a_link_is_valid_for_a_day(alexs: Client, alex: User) -> None:
    ask(alexs)
    link = link_to(NEW)

    with later(days=1, minutes=1):
        client = sign_in(alex)
        assert client.post(link).status_code == 410
        assert "Change e-mail address" in page_text(client.get(YOU))
    alex.refresh_from_db()
    assert alex.email == "alex@example.com"


def test_one_that_was_cancelled_or_replaced_is_worth_nothing(alexs: Client, alex: User) -> None:
    ask(alexs)
    first = link_to(NEW)
    ask(alexs, "other@example.com")

    assert alexs.post(first).status_code == 410
    second = link_to("other@example.com")
    alexs.post(f"{ASK}cancel/")
    assert alexs.post(second).status_code == 410
    alex.refresh_from_db()
    assert alex.email == "alex@example.com"
    assert events() == ["address.asked", "address.asked", "address.cancelled"]


def test_the_link_of_one_address_proves_no_other(alexs: Client, alex: User) -> None:
    """Ask for one's own second mailbox, then for somebody else's, and open the first link."""
    ask(alexs, "mine@example.com")
    link = link_to("mine@example.com")
    ask(alexs, "boss@example.com")

    alexs.post(link)

    alex.refresh_from_db()
    assert alex.email == "alex@example.com"


def test_nobody_proves_an_address_to_somebody_elses_account(alexs: Client, alex: User) -> None:
    """The owner of a mailbox presses a button in a mail that a stranger had sent there."""
    ask(alexs, "boss@example.com")
    link = link_to("boss@example.com")
    boss = sign_in(make_member(make_tenant(), email="b@example.com"))

    assert Client().post(link)["Location"].startswith(LOGIN)
    refused = boss.post(link)

    assert (refused.status_code, "of another account" in text(refused)) == (404, True)
    alex.refresh_from_db()
    assert alex.email == "alex@example.com"


def test_an_address_of_somebody_else_is_not_told_and_not_taken(alexs: Client, alex: User) -> None:
    make_user(email="boss@example.com")

    free, taken = ask(alexs, NEW), ask(alexs, "Boss@example.com")

    assert (taken.status_code, taken["Location"]) == (free.status_code, free["Location"])
    (told,) = (sent for sent in mail.outbox if sent.to == ["boss@example.com"])
    assert "/prove/" not in str(told.body)
    assert "is the address of an\naccount already" in str(told.body)


def test_an_address_that_was_taken_meanwhile_stays_with_who_has_it(
    alexs: Client, alex: User
) -> None:
    ask(alexs)
    link = link_to(NEW)
    EmailAddress.objects.filter(user=make_user()).update(email=NEW)

    assert alexs.post(link).status_code == 410
    alex.refresh_from_db()
    assert alex.email == "alex@example.com"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("ALEX@Example.com", "This is your address already."),
        ("nobody", "“nobody” is not an e-mail address."),
        ("", "This field is required."),
    ],
)
def test_what_cannot_be_is_refused_and_stays_in_the_field(
    alexs: Client, typed: str, said: str
) -> None:
    answer = ask(alexs, typed)

    assert answer.status_code == 422
    assert said in text(answer)
    assert f'value="{typed}"' in text(answer) or not typed
    assert mail.outbox == []


def test_mails_can_not_be_sent_without_end(alexs: Client) -> None:
    answers = [ask(alexs, f"new{number}@example.com").status_code for number in range(12)]

    assert answers == [302] * 10 + [429] * 2
    assert len(mail.outbox) == 20


def test_an_unproved_address_makes_nobody_admin_of_anything(alexs: Client, alex: User) -> None:
    """The attack: claim an unused address, and wait until a tenant is created for it."""
    ask(alexs, "boss@example.com")
    alexs.post("/accounts/email/", {"action_add": "", "email": "boss@example.com"})
    alexs.post("/accounts/email/", {"action_primary": "", "email": "boss@example.com"})

    alex.refresh_from_db()
    assert alex.email == "alex@example.com"
    assert not EmailAddress.objects.filter(email="boss@example.com").exists()
    assert Membership.objects.filter(user=alex).count() == 1


def test_the_owner_of_an_address_that_was_only_asked_for_gets_no_link_to_the_account(
    alexs: Client, alex: User
) -> None:
    """A typing mistake gives the account to nobody."""
    ask(alexs, "typo@example.com")
    mail.outbox.clear()

    Client().post("/accounts/password/reset/", {"email": "typo@example.com"})

    (sent,) = mail.outbox
    assert "There is no account with this address." in str(sent.body)
