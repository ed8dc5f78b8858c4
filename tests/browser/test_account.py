"""The pages of one's own account, in a browser: looked at, and passkeys made and used."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from playwright.sync_api import Browser, CDPSession, Page, expect

from audit_site.tenants.models import User
from tests.browser.looking import IN_CHROMIUM, overflowing, seen_problems, sign_in
from tests.factories import PASSWORD, make_member, make_tenant
from tests.signing_in import code_now, turn_on_two_factor

pytestmark = IN_CHROMIUM

MFA = "/accounts/2fa/"
SIZES = [(1280, "light"), (360, "dark")]
OUTSIDE = {
    "/accounts/login/": "Sign in",
    "/accounts/password/reset/": "Forgot your password?",
    "/accounts/password/reset/done/": "Look into your mail",
    "/accounts/password/reset/key/1-nothing/": "This link is not valid any more",
    "/accounts/password/reset/key/done/": "Your password is set",
    "/accounts/signup/": "Accounts are by invitation",
    "/accounts/inactive/": "This account is switched off",
}
INSIDE = {
    "/account/you/": "You",
    "/account/you/email/": "Change e-mail address",
    "/account/you/email/prove/nothing/": "New e-mail address",
    "/accounts/password/change/": "Change password",
    "/accounts/reauthenticate/": "Is it you?",
    "/accounts/logout/": "Sign out?",
    MFA: "Two-factor sign-in",
    f"{MFA}webauthn/": "Passkeys",
    f"{MFA}webauthn/add/": "Add a passkey",
}
BEFORE_AN_APP = {f"{MFA}totp/activate/": "Set up an authenticator app"}
WITH_AN_APP = {
    f"{MFA}totp/deactivate/": "Turn off the authenticator app?",
    f"{MFA}recovery-codes/": "Recovery codes",
    f"{MFA}recovery-codes/generate/": "Make new recovery codes?",
    f"{MFA}reauthenticate/": "Is it you?",
}


def window(chromium: Browser, width: int, scheme: Any) -> Page:
    size = {"width": width, "height": 900}
    return chromium.new_context(viewport=size, color_scheme=scheme).new_page()


def look_at(page: Page, base: str, addresses: dict[str, str]) -> None:
    for address, heading in addresses.items():
        page.goto(base + address)
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        assert overflowing(page) == [], address
        assert seen_problems(page) == [], address


def show_who_it_is(page: Page, base: str) -> None:
    page.goto(f"{base}/accounts/reauthenticate/?next=/account/you/")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/account/you/")


@pytest.fixture
def alex(transactional_db: None) -> User:
    return make_member(make_tenant(name="Northwind"), email="alex@example.com", name="Alex Admin")


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_every_page_fits_and_is_easy_to_read(
    chromium: Browser, live_server: Any, alex: User, width: int, scheme: str
) -> None:
    page, base = window(chromium, width, scheme), live_server.url
    look_at(page, base, OUTSIDE)
    sign_in(page, base, alex.email)
    page.get_by_role("heading", name="Home", exact=True).wait_for()
    show_who_it_is(page, base)
    look_at(page, base, INSIDE | BEFORE_AN_APP)

    turn_on_two_factor(alex)
    look_at(page, base, {**WITH_AN_APP, MFA: "Two-factor sign-in", "/account/you/": "You"})
    page.context.clear_cookies()
    sign_in(page, base, alex.email)
    look_at(page, base, {f"{MFA}authenticate/": "One more step"})


def authenticator(page: Page) -> CDPSession:
    """A device of the browser that makes passkeys, and always sees its owner."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        **{"protocol": "ctap2", "transport": "internal", "hasResidentKey": True},
        **{"hasUserVerification": True, "isUserVerified": True},
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session


def test_a_passkey_is_made_and_signs_in_alone(
    chromium: Browser, live_server: Any, alex: User
) -> None:
    page, base = window(chromium, 1280, "light"), live_server.url
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    authenticator(page)
    sign_in(page, base, alex.email)
    page.get_by_role("heading", name="Home", exact=True).wait_for()
    show_who_it_is(page, base)

    page.goto(f"{base}{MFA}webauthn/add/")
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Make a passkey").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    page.goto(f"{base}/accounts/logout/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/login/")
    page.get_by_label("Stay signed in").check()
    page.get_by_role("button", name="Use a passkey").click()

    page.get_by_role("heading", name="Home", exact=True).wait_for()
    (cookie,) = (one for one in page.context.cookies() if one["name"] == "sessionid")
    assert cookie["expires"] > 0  # it stays signed in
    assert [text for text in said if "Content Security Policy" in text] == []
    page.goto(f"{base}{MFA}webauthn/")
    expect(page.get_by_text("Laptop")).to_be_visible()


def test_a_passkey_stands_in_for_the_code(chromium: Browser, live_server: Any, alex: User) -> None:
    page, base = window(chromium, 360, "dark"), live_server.url
    authenticator(page)
    sign_in(page, base, alex.email)
    page.get_by_role("heading", name="Home", exact=True).wait_for()
    show_who_it_is(page, base)
    page.goto(f"{base}{MFA}webauthn/add/")
    page.get_by_label("Sign in with it alone").uncheck()
    page.get_by_role("button", name="Make a passkey").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    page.context.clear_cookies()

    sign_in(page, base, alex.email)
    page.get_by_role("button", name="Use a passkey").click()

    page.get_by_role("heading", name="Home", exact=True).wait_for()


def test_a_passkey_that_is_not_there_is_said(
    chromium: Browser, live_server: Any, alex: User
) -> None:
    page, base = window(chromium, 1280, "light"), live_server.url
    page.goto(f"{base}/accounts/login/")
    page.evaluate(
        "() => { navigator.credentials.get = () => Promise.reject(new DOMException('no')); }"
    )

    page.get_by_role("button", name="Use a passkey").click()

    expect(page.get_by_text("That did not work")).to_be_visible()


def test_without_a_script_on_a_phone_all_but_passkeys_works(
    chromium: Browser, live_server: Any, alex: User
) -> None:
    size = {"width": 360, "height": 800}
    page = chromium.new_context(java_script_enabled=False, viewport=size).new_page()
    base = live_server.url
    turn_on_two_factor(alex)
    sign_in(page, base, alex.email)
    expect(page.get_by_role("button", name="Use a passkey")).to_be_hidden()
    page.get_by_label("Code").fill(code_now())
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("heading", name="Home", exact=True).wait_for()

    page.get_by_role("link", name="Menu").click()
    page.locator("summary", has_text="Alex Admin").click()
    page.get_by_role("link", name="You", exact=True).click()
    page.get_by_role("link", name="Change e-mail address").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("New e-mail address").fill("new@example.com")
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_text("We have sent a link to new@example.com.")).to_be_visible()
    (sent,) = (one for one in mail.outbox if one.to == ["new@example.com"])
    link = re.search(r"/account/you/email/prove/\S+", str(sent.body))
    assert link
    page.goto(base + link[0])
    page.get_by_role("button", name="Use new@example.com").click()
    expect(page.get_by_text("Your address is new@example.com now.")).to_be_visible()
    page.get_by_role("button", name="Sign out everywhere, here too").click()
    page.wait_for_url("**/accounts/login/")
