"""How long one stays signed in, what is kept of it, and how it ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client

from audit_site.tenants.models import BrowserSession, User
from audit_site.tenants.sessions import SessionStore, hash_of
from tests.clients import browser
from tests.factories import PASSWORD
from tests.signing_in import later, sign_in

YOU = "/account/you/"


def cookie(client: Client) -> Any:
    return client.cookies["sessionid"]


def is_signed_in(client: Client) -> bool:
    return client.get(YOU).status_code == 200


def test_without_staying_the_session_ends_with_the_browser(alex: User) -> None:
    client = sign_in(alex)

    assert (cookie(client)["max-age"], cookie(client)["expires"]) == ("", "")


def test_who_stays_signed_in_has_a_cookie_that_lasts_as_long_as_the_session(alex: User) -> None:
    client = sign_in(alex, remember="on")

    assert 12 * 3600 - 5 <= cookie(client)["max-age"] <= 12 * 3600


@pytest.mark.parametrize("remember", [{}, {"remember": "on"}])
def test_a_session_that_is_not_used_for_twelve_hours_is_over(alex: User, remember: Any) -> None:
    client = sign_in(alex, **remember)

    with later(hours=11.9):
        assert is_signed_in(client)
    with later(hours=11.9 + 11.9):  # it was used meanwhile
        assert is_signed_in(client)
    with later(hours=11.9 + 11.9 + 12.1):
        assert not is_signed_in(client)


def test_after_fourteen_days_one_signs_in_again_however_busy_one_was(alex: User) -> None:
    client = sign_in(alex, remember="on")

    for hours in range(11, 14 * 24, 11):
        with later(hours=hours):
            assert is_signed_in(client), hours
    with later(days=14, minutes=1):
        assert not is_signed_in(client)


def test_the_limits_are_settings(alex: User, settings: Any) -> None:
    settings.SESSION_IDLE_HOURS, settings.SESSION_MAX_DAYS = 1, 1
    client = sign_in(alex)

    with later(hours=1.1):
        assert not is_signed_in(client)


def test_a_page_left_open_that_asks_by_itself_keeps_no_session_alive(alex: User) -> None:
    client = sign_in(alex)

    with later(hours=11):
        assert client.get(YOU, headers={"hx-request": "true"}).status_code == 200
    with later(hours=12.1):
        assert not is_signed_in(client)


def test_use_is_noted_every_five_minutes_at_most(alex: User) -> None:
    client = sign_in(alex)
    began = BrowserSession.objects.get(user=alex).last_seen_at

    with later(minutes=4):
        client.get(YOU)
    assert BrowserSession.objects.get(user=alex).last_seen_at == began
    with later(minutes=6):
        client.get(YOU)
    seen = BrowserSession.objects.get(user=alex).last_seen_at
    assert seen - began > timedelta(minutes=5)


def test_a_dump_holds_no_key_and_nothing_of_what_a_session_holds(alex: User) -> None:
    client = sign_in(alex)
    key = cookie(client).value
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM tenants_browsersession")
        rows = str(cursor.fetchall())

    assert key not in rows
    assert hash_of(key) in rows
    assert "_auth_user" not in rows
    assert SessionStore(hash_of(key)).load() == {}
    assert SessionStore(key).load()["_auth_user_id"] == str(alex.pk)


def test_a_row_that_was_tampered_with_opens_nothing(alex: User, mia: User) -> None:
    client, other = sign_in(alex), sign_in(mia)
    theirs = BrowserSession.objects.get(user=mia).session_data
    BrowserSession.objects.filter(user=alex).update(session_data=theirs)

    assert not is_signed_in(client)
    assert is_signed_in(other)


def test_signing_in_changes_the_key_that_a_browser_came_with(alex: User) -> None:
    client = Client()
    client.cookies["sessionid"] = "fixedfixedfixedfixedfixedfixed00"
    client.get("/accounts/login/")

    sign_in(alex, client)

    assert cookie(client).value != "fixedfixedfixedfixedfixedfixed00"
    assert not is_signed_in(_with_key("fixedfixedfixedfixedfixedfixed00"))


def _with_key(key: str) -> Client:
    client = Client()
    client.cookies["sessionid"] = key
    return client


def test_a_key_of_somebody_who_has_signed_out_is_worth_nothing(alex: User) -> None:
    client = sign_in(alex)
    key = cookie(client).value

    client.post("/accounts/logout/")

    assert not is_signed_in(_with_key(key))
    assert not BrowserSession.objects.filter(user=alex).exists()


def test_a_new_password_signs_out_the_other_devices_and_says_so_by_mail(alex: User) -> None:
    here, there = sign_in(alex), browser(alex)
    typed = {
        "oldpassword": PASSWORD,
        "password1": "four-new-words-here",
        "password2": "four-new-words-here",
    }

    assert here.post("/accounts/password/change/", typed)["Location"] == YOU

    assert (is_signed_in(here), is_signed_in(there)) == (True, False)
    assert BrowserSession.objects.filter(user=alex).count() == 1
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == ([alex.email], "[audIT] Your password was changed")
