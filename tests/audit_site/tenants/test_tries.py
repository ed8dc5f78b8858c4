"""Guessing is slowed down, and nobody else is locked out."""

from __future__ import annotations

import re
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client

from audit_site.tenants.models import TryCount, User
from audit_site.tenants.tries import ACCOUNT, ADDRESS, DEVICE, PAIR, SECOND, duration
from tests.clients import text
from tests.factories import PASSWORD
from tests.signing_in import LOGIN, SECRET, code_now, guess, later, sign_in, turn_on_two_factor

HOME, ATTACKER = "198.51.100.7", "203.0.113.9"


@pytest.fixture(autouse=True)
def _proxy(settings: Any) -> None:
    settings.TRUST_PROXY = 1


def at(address: str, client: Client | None = None, **typed: Any) -> Any:
    client = client or Client()
    return client.post(LOGIN, typed, headers={"x-forwarded-for": address})


def guesses(email: str, times: int, address: str = ATTACKER) -> list[int]:
    typed = {"login": email, "password": "wrong-password"}
    return [at(address, **typed).status_code for _ in range(times)]


def right(user: User, address: str, client: Client | None = None) -> int:
    return int(at(address, client, login=user.email, password=PASSWORD).status_code)


@pytest.mark.parametrize(
    ("pace", "waits"),
    [
        (PAIR, [0, 30, 60, 120, 240, 480, 900, 900]),
        (ACCOUNT, [0, 10, 20, 40, 80, 160, 300, 300]),
        (ADDRESS, [0, 10, 20, 40, 80, 160, 300, 300]),
        (DEVICE, [0, 30, 60, 120, 240, 480, 900, 900]),
    ],
)
def test_waits_grow_up_to_a_bound(pace: Any, waits: list[int]) -> None:
    tries = range(pace.free - 1, pace.free + len(waits) - 1)
    assert [pace.wait_after(count) / SECOND for count in tries] == waits


def test_tries_are_forgotten_little_by_little() -> None:
    assert PAIR.left_of(5, PAIR.forget / 5) == 4
    assert PAIR.left_of(5, PAIR.forget * 2) == 0


@pytest.mark.parametrize(
    ("seconds", "said"), [(1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (61, "2 minutes")]
)
def test_waits_in_words(seconds: int, said: str) -> None:
    assert duration(seconds) == said


def test_who_guesses_waits_and_is_told_how_long(alex: User) -> None:
    with time_machine.travel("2026-11-25", tick=False):
        assert guesses(alex.email, 5) == [200] * 5

        refused = at(ATTACKER, login=alex.email, password=PASSWORD)

    assert (refused.status_code, refused["Retry-After"]) == (429, "30")
    assert "Too many tries. Try again in 30 seconds." in text(refused)
    assert f'value="{alex.email}"' in text(refused)
    with time_machine.travel("2026-11-25T00:00:31"):
        assert right(alex, ATTACKER) == 302


def test_the_owner_at_another_address_gets_in_meanwhile(alex: User) -> None:
    guesses(alex.email, 11)

    assert right(alex, HOME) == 302


def test_eleven_wrong_ones_at_one_address_lock_out_nobody_else_there(alex: User, mia: User) -> None:
    guesses(alex.email, 11, HOME)

    assert right(mia, HOME) == 302


def test_a_browser_that_signed_in_before_gets_in_whoever_guesses(alex: User) -> None:
    known = Client()
    assert right(alex, HOME, known) == 302
    known.post("/accounts/logout/")
    for last in range(1, 40):  # many addresses, and its own
        guesses(alex.email, 1, f"203.0.113.{last}")
    guesses(alex.email, 11, HOME)

    assert right(alex, HOME) == 429
    assert right(alex, HOME, known) == 302


def test_such_a_browser_may_not_guess_for_ever_either(alex: User) -> None:
    known = Client()
    right(alex, HOME, known)
    known.post("/accounts/logout/")

    answers = [guess(known, alex.email).status_code for _ in range(12)]

    assert answers == [200] * 10 + [429] * 2


def test_it_is_known_to_its_own_account_alone(alex: User, mia: User) -> None:
    known = Client()
    right(alex, HOME, known)
    known.post("/accounts/logout/")
    guesses(mia.email, 5, HOME)

    assert right(mia, HOME, known) == 429
    assert alex.email not in known.cookies["known-device"].value


def test_a_mark_that_somebody_made_up_is_none(alex: User) -> None:
    client = Client()
    client.cookies["known-device"] = "made:up:mark"
    guesses(alex.email, 5, HOME)

    assert right(alex, HOME, client) == 429


def test_guesses_from_many_addresses_wait_too(alex: User) -> None:
    answers = [guesses(alex.email, 1, f"203.0.113.{last}")[0] for last in range(1, 33)]

    assert answers == [200] * 30 + [429] * 2
    with later(seconds=11):
        assert right(alex, HOME) == 302


def test_neighbours_in_one_ipv6_network_are_one_client(alex: User) -> None:
    for last in range(1, 6):
        guesses(alex.email, 1, f"2001:db8:0:7::{last}")

    assert right(alex, "2001:db8:0:7:ffff::1") == 429
    assert right(alex, "2001:db8:0:8::1") == 302


def test_two_spellings_of_an_address_are_one_account(alex: User) -> None:
    for spelling in (
        "ALEX@example.com",
        " alex@example.com",
        "aLex@example.com",
        "Alex@Example.com",
        "alex@example.com",
    ):
        guesses(spelling, 1)

    assert right(alex, ATTACKER) == 429


def test_right_ones_are_not_counted(alex: User) -> None:
    answers = [right(alex, HOME) for _ in range(8)]

    assert answers == [302] * 8
    assert sum(TryCount.objects.values_list("tries", flat=True)) == 0


def test_rows_tell_neither_account_nor_address(alex: User) -> None:
    guesses(alex.email, 1)

    stored = str(list(TryCount.objects.values()))
    assert "alex" not in stored
    assert ATTACKER not in stored


def test_codes_are_counted_like_passwords(alex: User) -> None:
    turn_on_two_factor(alex)
    client = Client(headers={"x-forwarded-for": ATTACKER})
    client.post(LOGIN, {"login": alex.email, "password": PASSWORD})

    answers = [client.post("/accounts/2fa/authenticate/", {"code": "000000"}) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert "Try again in 30 seconds." in text(answers[-1])
    client.post(LOGIN, {"login": alex.email, "password": PASSWORD})
    assert client.post("/accounts/2fa/authenticate/", {"code": code_now()}).status_code == 429
    home = Client(headers={"x-forwarded-for": HOME})
    home.post(LOGIN, {"login": alex.email, "password": PASSWORD})
    assert home.post("/accounts/2fa/authenticate/", {"code": code_now()}).status_code == 302
    assert SECRET not in text(answers[0])


def test_the_password_typed_again_is_counted(alex: User) -> None:
    client = sign_in(alex, Client(headers={"x-forwarded-for": HOME}))

    answers = [
        client.post("/accounts/reauthenticate/", {"password": "wrong"}).status_code
        for _ in range(11)
    ]

    assert answers == [200] * 10 + [429]


def test_passkeys_that_are_none_are_counted_for_the_address(db: None) -> None:
    client = Client(headers={"x-forwarded-for": ATTACKER})

    for _ in range(100):
        client.post("/accounts/2fa/webauthn/login/", {"credential": '{"id": "none"}'})
    assert "Too many tries" not in text(client.get(LOGIN))
    client.post("/accounts/2fa/webauthn/login/", {"credential": '{"id": "none"}'})

    assert "Too many tries. Try again in 10 seconds." in text(client.get(LOGIN))


def test_who_asks_for_many_links_gets_no_more_mails_and_the_same_answer(alex: User) -> None:
    answers = [
        Client().post(
            "/accounts/password/reset/",
            {"email": alex.email},
            headers={"x-forwarded-for": ATTACKER},
        )
        for _ in range(8)
    ]

    assert {(answer.status_code, answer["Location"]) for answer in answers} == {
        (302, "/accounts/password/reset/done/")
    }
    assert len(mail.outbox) == 5
    Client().post(
        "/accounts/password/reset/", {"email": alex.email}, headers={"x-forwarded-for": HOME}
    )
    assert len(mail.outbox) == 6


def test_who_used_a_link_that_was_mailed_is_known(alex: User) -> None:
    client = Client(headers={"x-forwarded-for": HOME})
    client.post("/accounts/password/reset/", {"email": alex.email})
    link = re.search(r"/accounts/password/reset/key/\S+", str(mail.outbox[0].body))[0]
    form = client.get(link)["Location"]
    guesses(alex.email, 5, HOME)

    client.post(form, {"password1": "four-new-words-here", "password2": "four-new-words-here"})

    typed = {"login": alex.email, "password": "four-new-words-here"}
    assert client.post(LOGIN, typed).status_code == 302
