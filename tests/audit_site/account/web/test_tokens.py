"""The page of tokens: made once, shown once, revoked after a question."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from audit_site.tenants.models import ApiToken, Membership, Tenant, User
from audit_site.tenants.tokens import create_api_token, hash_token
from tests.clients import V1, browser, page_text, text
from tests.factories import make_member
from tests.queries import queries

TOKENS = "/account/tokens/"
TYPED = {"name": "Nightly import", "scopes": ["read", "write"], "life": "30"}


def make(client: Client, **over: Any) -> Any:
    once = re.search(r'name="once" value="([^"]+)"', text(client.get(TOKENS)))
    assert once
    return client.post(TOKENS, {**TYPED, "once": once[1], **over})


def test_a_token_is_shown_on_the_next_page_and_never_again(alex: User, time_machine: Any) -> None:
    time_machine.move_to("2026-11-25 12:00:00Z", tick=False)
    client = browser(alex)

    page = make(client)

    plain = re.search(r"audit_[\w-]{43}", text(page))
    token = ApiToken.objects.get()
    assert plain
    assert (page.status_code, token.token_hash) == (201, hash_token(plain[0]))
    assert "no-store" in page["Cache-Control"]
    assert "It may</dt><dd>Read everything that you see; Import, link, sync and decide" in text(
        page
    )
    assert (token.name, token.scopes) == ("Nightly import", ["read", "write"])
    assert token.expires_at == timezone.now() + timedelta(days=30)
    api = APIClient()
    assert api.get(f"{V1}/me/", HTTP_AUTHORIZATION=f"Bearer {plain[0]}").status_code == 200
    listed = page_text(client.get(TOKENS))
    assert plain[0] not in listed
    assert f"{plain[0][:12]}…" in listed
    assert "from 127.0.0.1" in listed


def test_the_same_form_sent_twice_makes_one_token(alex: User) -> None:
    client = browser(alex)

    make(client, once="this-form")
    again = client.post(TOKENS, {**TYPED, "once": "this-form"}, follow=True)

    assert ApiToken.objects.count() == 1
    assert again.redirect_chain == [(TOKENS, 302)]
    assert "This token was made already." in text(again)


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"name": " "}, "This field is required."),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"scopes": []}, "Tick what it may do."),
        ({"scopes": ["admin"]}, "admin is not one of the available choices"),
        ({"life": "1000"}, "1000 is not one of the available choices"),
    ],
)
def test_a_refused_form_keeps_what_was_typed(mia: User, over: dict[str, Any], said: str) -> None:
    page = make(browser(mia), **{"name": "My program", **over})

    assert page.status_code == 422
    assert said in text(page)
    assert not ApiToken.objects.exists()
    if "name" not in over:
        assert 'value="My program"' in text(page)


def test_a_token_may_what_the_role_may(vic: User, mia: User, alex: User) -> None:
    for person, boxes in ((vic, 1), (mia, 2), (alex, 3)):
        assert text(browser(person).get(TOKENS)).count('type="checkbox"') == boxes


def test_everybody_sees_their_own_and_admins_all(alex: User, mia: User, otto: User) -> None:
    for person in (alex, mia, otto):
        make(browser(person), name=f"Program of {person.name.split()[0]}", scopes=["read"])

    own, every = (page_text(browser(person).get(TOKENS)) for person in (mia, alex))

    assert re.findall(r"Program of \w+(?=</strong>)", own) == ["Program of Mia"]
    assert re.findall(r"Program of \w+(?=</strong>)", every) == [
        "Program of Mia",
        "Program of Alex",
    ]
    Membership.objects.filter(user=mia).update(role="viewer")
    assert '<td data-label="It may">Read</td>' in page_text(browser(mia).get(TOKENS))


def test_revoking_asks_first_and_ends_it_at_once(alex: User, mia: User) -> None:
    make(browser(mia))
    token = ApiToken.objects.get()
    address = f"{TOKENS}{token.pk}/revoke/"

    asked = page_text(browser(alex).get(address))
    assert f"The token <code>{token.prefix}…</code> of Mia Member stops working at once" in asked
    assert ApiToken.objects.get().revoked_at is None

    done = browser(alex).post(address, follow=True)

    assert "Nightly import is revoked: it no longer works." in text(done)
    assert ApiToken.objects.get().revoked_at is not None
    assert browser(alex).get(address).status_code == 404


def test_what_is_another_persons_is_not_there(alex: User, mia: User, otto: User) -> None:
    make(browser(alex))
    address = f"{TOKENS}{ApiToken.objects.get().pk}/revoke/"

    for person in (mia, otto):
        assert browser(person).get(address).status_code == 404
        assert browser(person).post(address).status_code == 404
    assert ApiToken.objects.get().revoked_at is None


def test_an_expired_one_says_so(alex: User, tenant: Tenant) -> None:
    past = timezone.now() - timedelta(days=1)
    create_api_token(tenant=tenant, user=alex, scopes=["read"], expires_at=past)

    page = page_text(browser(alex).get(TOKENS))

    assert '<span class="mark bad">Expired</span>' in page
    assert "Without a name" in page


def test_a_list_costs_the_same_however_long(alex: User, tenant: Tenant) -> None:
    client = browser(alex)
    make(client)
    few = queries(lambda: client.get(TOKENS))
    for _ in range(5):
        create_api_token(tenant=tenant, user=make_member(tenant), scopes=["read"])

    assert queries(lambda: client.get(TOKENS)) == few


def test_the_menu_leads_there(alex: User, mia: User) -> None:
    assert page_text(browser(alex).get(TOKENS)).count(f'href="{TOKENS}"') >= 2
    assert "/account/audit/" not in page_text(browser(mia).get(TOKENS))
    assert f'href="{TOKENS}"' in page_text(browser(mia).get("/companies/"))
