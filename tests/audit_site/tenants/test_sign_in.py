"""What the sign-in pages tell strangers, and where they send people."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core import mail
from django.test import Client

from audit_site.tenants.models import User
from tests.clients import page_text, text
from tests.factories import PASSWORD, make_user
from tests.signing_in import LOGIN, guess, sign_in

RESET = "/accounts/password/reset/"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How often a password was hashed: that is what signing in takes its time for."""
    counted: list[str] = []
    for name in ("encode", "verify"):
        own = getattr(Argon2PasswordHasher, name)

        def count(self: Any, *args: Any, own: Any = own, name: str = name) -> Any:
            counted.append(name)
            return own(self, *args)

        monkeypatch.setattr(Argon2PasswordHasher, name, count)
    return counted


def addresses() -> dict[str, str]:
    make_user(email="known@example.com")
    make_user(email="off@example.com", is_active=False)
    unusable = make_user(email="unusable@example.com")
    unusable.set_unusable_password()
    unusable.save()
    return {name: f"{name}@example.com" for name in ("known", "off", "unusable", "nobody")}


def stripped(answer: Any, email: str) -> str:
    """A page without what differs by itself: the address typed, and the token against forgery."""
    return re.sub(r'value="[\w-]{64}"|"X-CSRFToken": "\w+"', "", text(answer).replace(email, ""))


def test_a_wrong_sign_in_tells_nobody_who_exists(db: None, hashed: list[str]) -> None:
    answers, works = set(), set()
    for email in addresses().values():
        hashed.clear()
        answer = guess(Client(), email)
        answers.add((answer.status_code, stripped(answer, email)))
        works.add(len(hashed))

    assert len(answers) == 1
    assert works == {1}
    assert "E-mail or password is wrong." in next(iter(answers))[1]


def test_asking_for_a_link_tells_nobody_who_exists(db: None) -> None:
    answers = set()
    for number, email in enumerate(addresses().values(), 1):
        answer = Client().post(RESET, {"email": email})
        answers.add((answer.status_code, answer["Location"], text(answer)))
        assert len(mail.outbox) == number  # whoever it is, one mail is sent

    assert answers == {(302, f"{RESET}done/", "")}


def test_asking_for_a_link_changes_nothing(alex: User) -> None:
    before = User.objects.filter(pk=alex.pk).values().get()

    Client().post(RESET, {"email": alex.email})

    assert User.objects.filter(pk=alex.pk).values().get() == before
    assert sign_in(alex).get("/account/you/").status_code == 200


def test_a_new_password_by_link_signs_out_everywhere_and_says_so(alex: User) -> None:
    elsewhere = sign_in(alex)
    client = Client()
    client.post(RESET, {"email": alex.email})
    link = re.search(r"/accounts/password/reset/key/\S+", str(mail.outbox[0].body))[0]
    form = client.get(link)["Location"]
    typed = {"password1": "four-new-words-here", "password2": "four-new-words-here"}

    assert client.post(form, typed)["Location"] == f"{RESET}key/done/"

    assert elsewhere.get("/account/you/").status_code == 302
    assert mail.outbox[1].subject == "[audIT] Your password was set anew by a link"
    assert "This link is not valid any more" in page_text(Client().get(link))
    assert guess(Client(), alex.email).status_code == 200
    assert Client().post(LOGIN, {"login": alex.email, "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example.net/",
        "//evil.example.net/",
        "/\\evil.example.net/",
        "javascript:alert(1)",
        "https:evil.example.net",
    ],
)
def test_nobody_is_sent_elsewhere(alex: User, elsewhere: str) -> None:
    typed = {"login": alex.email, "password": PASSWORD, "next": elsewhere}
    signed_in = Client().post(LOGIN, typed)
    client = sign_in(alex)
    again = client.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": elsewhere})
    out = client.post("/accounts/logout/", {"next": elsewhere})

    assert [answer.status_code for answer in (signed_in, again, out)] == [302] * 3
    found = {answer["Location"] for answer in (signed_in, again, out)}
    assert found <= {"/integrations/", "/accounts/login/", "/"}


def test_one_comes_back_to_where_one_was_going(alex: User) -> None:
    typed = {"login": alex.email, "password": PASSWORD, "next": "/companies/?page=2"}

    assert Client().post(LOGIN, typed)["Location"] == "/companies/?page=2"


@pytest.mark.parametrize(
    "address",
    [
        *(LOGIN, RESET, "/accounts/logout/", "/accounts/password/change/"),
        *("/accounts/2fa/totp/activate/", "/accounts/2fa/recovery-codes/generate/"),
        *("/account/you/name/", "/account/you/email/", "/account/you/devices/end-all/"),
    ],
)
def test_forms_need_the_token_against_forgery(alex: User, address: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alex)

    answer = client.post(address, {"name": "forged", "email": "forged@example.com"})

    assert answer.status_code == 403
    assert "That page was too old" in text(answer)
    alex.refresh_from_db()
    assert alex.name == "Alex Admin"


def test_nobody_signs_up(db: None) -> None:
    assert "Accounts are by invitation" in page_text(Client().get("/accounts/signup/"))


def test_an_account_that_is_switched_off_says_so_to_its_owner_alone(db: None) -> None:
    off = make_user(email="off@example.com", is_active=False)

    answer = Client().post(LOGIN, {"login": off.email, "password": PASSWORD}, follow=True)

    assert "This account is switched off" in page_text(answer)


def test_what_the_library_limits_says_when_again(alex: User) -> None:
    client = sign_in(alex)

    answers = [client.post("/accounts/password/change/", {}) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[-1]["Retry-After"] == "60"
    assert "Try again in a minute; nothing was changed." in text(answers[-1])
