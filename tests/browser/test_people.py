"""From an invitation to leaving, in a browser that runs no script, on a phone."""

from __future__ import annotations

import re
from typing import Any

from django.core import mail
from playwright.sync_api import Browser, expect

from audit_site.tenants.invitation_mails import send_waiting_invitations
from tests.browser.looking import IN_CHROMIUM, seen_problems, sign_in
from tests.factories import make_member, make_tenant

pytestmark = IN_CHROMIUM

PHONE = {"width": 360, "height": 800}
LINK = re.compile(r"https?://\S+/account/invitation/\S+/")


def test_invited_accepted_changed_and_left(
    chromium: Browser, live_server: Any, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.PUBLIC_URL = base = live_server.url
    make_member(make_tenant(name="Acme"), email="admin@example.com", name="Alex Admin")
    admin = chromium.new_context(java_script_enabled=False, viewport=PHONE).new_page()
    sign_in(admin, base, "admin@example.com")

    admin.goto(f"{base}/account/people/")
    admin.get_by_label("E-mail").fill("nina@example.com")
    admin.get_by_label("Viewer").check()
    admin.get_by_role("button", name="Send the invitation").click()
    expect(admin.get_by_role("status")).to_contain_text("on its way to nina@example.com")
    send_waiting_invitations()

    nina = chromium.new_context(java_script_enabled=False, viewport=PHONE).new_page()
    nina.goto(LINK.findall(str(mail.outbox[-1].body))[0])
    expect(nina.get_by_role("heading", name="Join Acme")).to_be_visible()
    nina.get_by_label("Your name").fill("Nina New")
    nina.get_by_label("Password").fill("seven-green-lanterns")
    nina.get_by_role("button", name="Make my account and accept").click()
    expect(nina.get_by_text("Welcome to Acme. Your role: viewer.")).to_be_visible()

    admin.goto(f"{base}/account/people/")
    admin.get_by_role("link", name="Manage Nina New").click()
    admin.get_by_label("Admin").check()
    admin.get_by_role("button", name="Save the role").click()
    expect(admin.get_by_role("status")).to_contain_text("the role of Nina New is Admin")
    nina.goto(f"{base}/account/people/")
    expect(nina.get_by_role("heading", name="People", exact=True)).to_be_visible()

    admin.goto(f"{base}/account/leave/")
    admin.get_by_role("button", name="Leave").click()
    expect(admin.get_by_role("heading", name="Sign in")).to_be_visible()
    nina.goto(f"{base}/account/leave/")
    expect(nina.get_by_text("You are the only admin of Acme")).to_be_visible()


def test_axe_finds_nothing_on_pages_of_people(chromium: Browser, live_server: Any) -> None:
    tenant = make_tenant()
    admin = make_member(tenant, email="admin@example.com")
    page = chromium.new_context(viewport=PHONE, color_scheme="dark").new_page()
    sign_in(page, live_server.url, "admin@example.com")
    page.get_by_role("heading", name="Home", exact=True).wait_for()

    for path in ("people/", f"people/{admin.pk}/", "leave/", "settings/", "invitation/none/"):
        page.goto(f"{live_server.url}/account/{path}")
        assert seen_problems(page) == [], path
