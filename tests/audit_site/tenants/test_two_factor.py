"""Two-factor sign-in: turned on, asked for, and not got around."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.core import mail
from django.test import Client

from audit_site.pages.templatetags.pages import in_fours
from audit_site.tenants.models import AuditEvent, Membership, Tenant, User
from audit_site.tenants.two_factor import take_away
from tests.clients import V1, api_of, browser, page_text, problem, text
from tests.concurrency import at_once
from tests.factories import make_member, make_tenant
from tests.signing_in import (
    LOGIN,
    add_passkey,
    code_now,
    prove_again,
    sign_in,
    turn_on_two_factor,
)

MFA = "/accounts/2fa/"


@pytest.fixture
def asking(tenant: Tenant) -> Tenant:
    tenant.require_two_factor = True
    tenant.save()
    return tenant


def set_up_an_app(client: Client) -> Any:
    prove_again(client)
    shown = page_text(client.get(f"{MFA}totp/activate/"))
    secret = re.search(r'data-copy="(\w+)"', shown)[1]
    assert f'<code class="key">{in_fours(secret)}</code>' in shown
    counter = next(iter(totp.yield_hotp_counters_from_time()))
    code = totp.format_hotp_value(totp.hotp_value(secret, counter))
    return client.post(f"{MFA}totp/activate/", {"code": code})


@pytest.mark.django_db(transaction=True)
def test_an_app_is_set_up_with_a_picture_or_a_typed_key(alex: User) -> None:
    client = sign_in(alex)

    assert client.get(f"{MFA}totp/activate/")["Location"].startswith("/accounts/reauthenticate/")
    answer = set_up_an_app(client)

    assert answer["Location"] == f"{MFA}recovery-codes/"
    codes = page_text(client.get(answer["Location"]))
    assert len(re.findall(r"<li><code>\w+</code></li>", codes)) == 10
    assert [sent.subject for sent in mail.outbox] == ["[audIT] An authenticator app was turned on"]


def test_recovery_codes_are_shown_once(alex: User) -> None:
    client = sign_in(alex)
    set_up_an_app(client)
    first, second = (page_text(client.get(f"{MFA}recovery-codes/")) for _ in range(2))

    code = re.search(r"<li><code>(\w+)</code></li>", first)[1]
    assert code not in second
    assert "can't be shown again" in second
    assert client.get(f"{MFA}recovery-codes/download/").status_code == 403


@pytest.mark.parametrize("what", ["app", "recovery code"])
def test_signing_in_takes_one_more_step(alex: User, what: str) -> None:
    spare = turn_on_two_factor(alex)
    client = sign_in(alex)

    assert client.get("/integrations/").status_code == 302
    answer = client.post(f"{MFA}authenticate/", {"code": code_now() if what == "app" else spare})

    assert answer["Location"] == "/"
    assert client.get("/integrations/").status_code == 200


def test_a_code_works_once(alex: User) -> None:
    spare = turn_on_two_factor(alex)
    for code in (code_now(), spare):
        first, second = sign_in(alex), sign_in(alex)

        assert first.post(f"{MFA}authenticate/", {"code": code}).status_code == 302
        assert second.post(f"{MFA}authenticate/", {"code": code}).status_code == 200


def test_staying_signed_in_survives_the_step(alex: User) -> None:
    turn_on_two_factor(alex)
    client = sign_in(alex, remember="on")
    client.post(f"{MFA}authenticate/", {"code": code_now()})

    assert client.cookies["sessionid"]["max-age"] > 11 * 3600


def test_whoever_asks_for_a_reset_keeps_nobody_from_turning_it_on(alex: User) -> None:
    """The attack: anybody types the address of somebody else into “Forgot your password?”."""
    EmailAddress.objects.all().delete()
    Client().post("/accounts/password/reset/", {"email": alex.email})

    assert not EmailAddress.objects.exists()
    assert set_up_an_app(sign_in(alex))["Location"] == f"{MFA}recovery-codes/"


def test_nor_does_an_unproved_row(alex: User) -> None:
    EmailAddress.objects.filter(user=alex).update(verified=False)

    assert set_up_an_app(sign_in(alex))["Location"] == f"{MFA}recovery-codes/"


def test_a_new_password_by_link_does_not_get_around_it(alex: User) -> None:
    turn_on_two_factor(alex)
    client = Client()
    client.post("/accounts/password/reset/", {"email": alex.email})
    link = re.search(r"/accounts/password/reset/key/\S+", str(mail.outbox[0].body))[0]
    form = client.get(link)["Location"]
    client.post(form, {"password1": "four-new-words-here", "password2": "four-new-words-here"})
    assert client.get("/integrations/").status_code == 302

    answer = client.post(LOGIN, {"login": alex.email, "password": "four-new-words-here"})

    assert answer["Location"] == f"{MFA}authenticate/"
    assert client.get("/integrations/").status_code == 302


def test_who_signs_in_without_it_is_led_to_set_it_up(asking: Tenant, alex: User) -> None:
    client = sign_in(alex)

    for address in ("/", "/integrations/", "/companies/", "/mrr/", "/sync-runs/"):
        answer = client.get(address, follow=True)
        assert answer.redirect_chain[-1][0] == MFA, address
    shown = page_text(answer)
    assert f"{asking.name} asks for two-factor sign-in." in shown
    assert "of 100 audITees" not in shown  # nothing else of the tenant
    assert client.post("/companies/add/", {"name": "x"})["Location"] == MFA
    assert problem(client.get(f"{V1}/companies/")) == (403, "two_factor_required")


def test_it_is_open_once_it_is_set_up(asking: Tenant, alex: User) -> None:
    client = sign_in(alex)

    set_up_an_app(client)

    assert client.get("/integrations/").status_code == 200
    assert client.get(f"{V1}/me/").status_code == 200


def test_who_signs_in_with_it_notices_nothing(asking: Tenant, alex: User) -> None:
    turn_on_two_factor(alex)
    client = sign_in(alex)
    client.post(f"{MFA}authenticate/", {"code": code_now()})

    assert client.get("/integrations/").status_code == 200


def test_a_session_of_before_goes_on_until_the_next_sign_in(tenant: Tenant, alex: User) -> None:
    client = sign_in(alex)
    tenant.require_two_factor = True
    tenant.save()

    assert client.get("/integrations/").status_code == 200
    assert client.get(f"{V1}/me/").status_code == 200
    assert sign_in(alex).get("/integrations/")["Location"] == MFA


def test_who_joins_such_a_tenant_meets_it_at_once(
    asking: Tenant, other_tenant: Tenant, otto: User
) -> None:
    client = sign_in(otto)
    Membership.objects.create(tenant=asking, user=otto, role="viewer")

    client.post("/tenant/", {"tenant": str(asking.pk)})
    assert client.get("/companies/")["Location"] == MFA
    client.post("/tenant/", {"tenant": str(other_tenant.pk)})
    assert client.get("/companies/").status_code == 200


def test_tokens_are_not_affected(asking: Tenant, alex: User) -> None:
    assert api_of(alex).get(f"{V1}/me/").status_code == 200


@pytest.mark.parametrize("open_address", ["/account/you/", MFA, "/accounts/password/change/"])
def test_ones_own_account_is_open_meanwhile(asking: Tenant, alex: User, open_address: str) -> None:
    assert sign_in(alex).get(open_address).status_code == 200


def test_the_last_factor_stays_while_a_tenant_asks_for_it(asking: Tenant, alex: User) -> None:
    client = sign_in(alex)
    set_up_an_app(client)

    answer = client.post(f"{MFA}totp/deactivate/")

    assert "Your company asks for two-factor sign-in." in text(answer)
    assert Authenticator.objects.filter(user=alex, type="totp").exists()


def test_so_does_the_last_passkey(asking: Tenant, alex: User) -> None:
    client = browser(alex)
    prove_again(client)
    key = Authenticator.objects.create(
        user=alex, type="webauthn", data={"name": "Laptop", "credential": {}}
    )

    answer = client.post(f"{MFA}webauthn/keys/{key.pk}/remove/", follow=True)

    assert "Your company asks for two-factor sign-in." in page_text(answer)
    assert Authenticator.objects.filter(pk=key.pk).exists()


def test_a_passkey_beside_an_app_can_go(asking: Tenant, alex: User) -> None:
    client = sign_in(alex)
    set_up_an_app(client)
    key = Authenticator.objects.create(
        user=alex, type="webauthn", data={"name": "Laptop", "credential": {}}
    )

    answer = client.post(f"{MFA}webauthn/keys/{key.pk}/remove/")

    assert answer["Location"] == f"{MFA}webauthn/"
    assert not Authenticator.objects.filter(pk=key.pk).exists()
    assert AuditEvent.objects.filter(action="person.second_factor_removed").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_factors_taken_away_at_once_one_stays() -> None:
    tenant = make_tenant(require_two_factor=True)
    person = make_member(tenant, "viewer")
    for _ in range(10):
        app, key = (
            Authenticator.objects.create(user=person, type=kind, data={})
            for kind in ("totp", "webauthn")
        )
        done: list[bool] = []

        at_once(
            lambda one=app, done=done: done.append(take_away(one)),
            lambda one=key, done=done: done.append(take_away(one)),
        )

        assert sorted(done) == [False, True]
        assert Authenticator.objects.filter(user=person).count() == 1
        Authenticator.objects.all().delete()


def test_elsewhere_it_can_be_turned_off(alex: User) -> None:
    client = sign_in(alex)
    set_up_an_app(client)

    assert client.post(f"{MFA}totp/deactivate/")["Location"] == MFA
    assert not Authenticator.objects.filter(user=alex).exists()


def test_what_is_no_passkey_is_refused(alex: User) -> None:
    client = sign_in(alex)
    prove_again(client)

    answer = client.post(f"{MFA}webauthn/add/", {"name": "x", "credential": '{"id": "none"}'})

    assert answer.status_code == 200
    assert "This is no passkey." in text(answer)


@pytest.mark.django_db(transaction=True)
def test_an_app_with_its_codes_is_one_line_of_the_trail(tenant: Tenant, alex: User) -> None:
    client = sign_in(alex)
    set_up_an_app(client)
    client.post(f"{MFA}totp/deactivate/")

    written = AuditEvent.objects.filter(action__startswith="person.second_factor").order_by("id")
    assert [(event.action, event.after) for event in written] == [
        ("person.second_factor_added", {"factor": "TOTP Authenticator"}),
        ("person.second_factor_removed", {"factor": "TOTP Authenticator"}),
    ]


@pytest.mark.parametrize("has_one", [True, False])
def test_a_passkey_is_offered_to_who_has_one(alex: User, has_one: bool) -> None:
    turn_on_two_factor(alex)
    if has_one:
        add_passkey(alex)

    page = page_text(sign_in(alex).get(f"{MFA}authenticate/"))

    assert ("Use a passkey" in page) is has_one
    assert '<button class="btn btn-primary w-100" type="submit">Sign in</button>' in page


def test_keys_are_read_in_fours() -> None:
    assert in_fours("JBSWY3DPEH") == "JBSW Y3DP EH"
