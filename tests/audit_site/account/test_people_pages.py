"""Pages of people: invite, resend, withdraw, change roles, remove, leave."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from audit_site.tenants.models import Invitation, Membership, Tenant, User
from tests.clients import browser, page_text, text
from tests.factories import make_invitation, make_member

PEOPLE = "/account/people/"


def members(tenant: Tenant) -> dict[str, str]:
    rows = Membership.objects.for_tenant(tenant).values_list("user__email", "role")
    return dict(rows)


def test_the_list_shows_members_and_invited_in_few_queries(
    tenant: Tenant, alex: User, mia: User, otto: User, django_assert_num_queries: Any
) -> None:
    for _ in range(3):
        make_invitation(tenant)
    make_invitation(tenant, email="zoe@example.com", sent_at=None)
    page = browser(alex)
    page.get(PEOPLE)

    with django_assert_num_queries(10):
        shown = page_text(page.get(PEOPLE))

    assert shown.index("alex@example.com") < shown.index("mia@example.com")
    assert "otto@example.com" not in shown
    assert shown.count('<span class="mark warn">Invited</span>') == 3
    assert shown.count("E-mail waits to be sent") == 1


@pytest.mark.parametrize("role", ["member", "viewer"])
@pytest.mark.parametrize("path", [PEOPLE, "/account/settings/"])
def test_who_is_no_admin_is_told_whom_to_ask(
    tenant: Tenant, alex: User, role: str, path: str
) -> None:
    page = browser(make_member(tenant, role))

    for answer in (page.get(path), page.post(path, {"email": "a@b.example", "role": "admin"})):
        assert answer.status_code == 403
        assert "alex@example.com" in text(answer)
    assert not Invitation.objects.exists()
    assert PEOPLE not in text(page.get("/companies/"))


def test_an_invitation_is_made_and_said(tenant: Tenant, alex: User) -> None:
    sent = {"email": "New@example.com", "name": "Nina", "role": "viewer"}

    answer = browser(alex).post(PEOPLE, sent, follow=True)

    assert "An invitation is on its way to new@example.com." in page_text(answer)
    made = Invitation.objects.get()
    assert (made.tenant, made.email, made.name, made.role, made.invited_by) == (
        tenant,
        "new@example.com",
        "Nina",
        "viewer",
        alex,
    )


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"email": "аda@example.com"}, "has letters that look like others"),  # noqa: RUF001
        ({"email": "Mia@Example.com"}, "mia@example.com is in this account already."),
        ({"email": "invited@example.com"}, "invited@example.com is invited already."),
        ({"name": "n" * 10_000}, "A name has at most 150 characters."),
        ({"role": "owner"}, "Select a valid choice."),
    ],
)
def test_a_refused_form_keeps_what_was_typed(
    tenant: Tenant, alex: User, mia: User, over: dict[str, str], said: str
) -> None:
    make_invitation(tenant, email="invited@example.com")
    typed = {"email": "new@example.com", "name": "Nina", "role": "viewer", **over}

    answer = browser(alex).post(PEOPLE, typed)

    assert answer.status_code == 422
    assert said in text(answer)
    assert f'value="{typed["email"]}"' in text(answer)
    assert Invitation.objects.count() == 1


def test_a_role_changes(tenant: Tenant, alex: User, mia: User) -> None:
    done = browser(alex).post(f"{PEOPLE}{mia.pk}/", {"role": "viewer"}, follow=True)

    assert "Saved: the role of Mia Member is Viewer." in page_text(done)
    assert members(tenant) == {"alex@example.com": "admin", "mia@example.com": "viewer"}


def test_the_last_admin_is_told_at_the_field(tenant: Tenant, alex: User) -> None:
    page = browser(alex)
    assert "Alex Admin is the only admin." in page_text(page.get(f"{PEOPLE}{alex.pk}/"))

    answer = page.post(f"{PEOPLE}{alex.pk}/", {"role": "viewer"})

    assert answer.status_code == 422
    assert "This is the last admin" in text(answer)
    assert members(tenant) == {"alex@example.com": "admin"}


def test_removing_says_what_ends_and_then_ends_it(tenant: Tenant, alex: User, mia: User) -> None:
    page, address = browser(alex), f"{PEOPLE}{mia.pk}/remove/"
    assert "All API tokens that they made here end at once." in page_text(page.get(address))
    assert len(members(tenant)) == 2

    done = page.post(address, follow=True)

    assert "Mia Member is out" in page_text(done)
    assert members(tenant) == {"alex@example.com": "admin"}


def test_an_invitation_is_sent_again_and_withdrawn(tenant: Tenant, alex: User) -> None:
    made, page = make_invitation(tenant), browser(alex)
    assert "Send it again" in page_text(page.get(f"{PEOPLE}{made.pk}/"))

    page.post(f"{PEOPLE}{made.pk}/invite/")
    made.refresh_from_db()
    assert made.sent_at is None

    page.post(f"{PEOPLE}{made.pk}/", {"role": "admin"})
    done = page.post(f"{PEOPLE}{made.pk}/remove/", follow=True)
    made.refresh_from_db()
    assert (made.role, made.revoked_at is None) == ("admin", False)
    assert f"The invitation of {made.email} is withdrawn." in page_text(done)
    assert page.get(f"{PEOPLE}{made.pk}/").status_code == 404


def test_everybody_may_leave_and_is_signed_out_without_another_tenant(
    tenant: Tenant, alex: User, vic: User
) -> None:
    page = browser(vic)
    assert "You are signed out" in page_text(page.get("/account/leave/"))

    page.post("/account/leave/")

    assert members(tenant) == {"alex@example.com": "admin"}
    assert page.get("/companies/").status_code == 302


def test_who_has_another_tenant_goes_on_there(
    tenant: Tenant, other_tenant: Tenant, alex: User, vic: User
) -> None:
    Membership.objects.create(tenant=other_tenant, user=vic, role="viewer")
    page = browser(vic)
    page.post("/tenant/", {"tenant": str(tenant.pk)})

    done = page.post("/account/leave/", follow=True)

    assert f"You have left {tenant.name}." in page_text(done)
    assert page.get("/api/v1/me/").json()["tenant"]["id"] == str(other_tenant.pk)


def test_the_last_admin_cannot_leave(tenant: Tenant, alex: User) -> None:
    page = browser(alex)
    assert "You are the only admin" in page_text(page.get("/account/leave/"))

    answer = page.post("/account/leave/", follow=True)

    assert "This is the last admin" in page_text(answer)
    assert members(tenant) == {"alex@example.com": "admin"}


def test_limits_hold_for_pages(tenant: Tenant, alex: User, settings: Any) -> None:
    settings.LIMIT_INVITATIONS = 1
    page: Client = browser(alex)
    for at in range(2):
        answer = page.post(PEOPLE, {"email": f"n{at}@example.com", "role": "viewer"})

    assert answer.status_code == 422
    assert "Try again in 60 minutes." in text(answer)
    assert Invitation.objects.count() == 1


def test_who_is_here_already_is_one_click_away(tenant: Tenant, alex: User, mia: User) -> None:
    typed = {"email": "MIA@example.com", "name": "", "role": "viewer"}

    page = text(browser(alex).post(PEOPLE, typed))

    assert f'<a href="{PEOPLE}{mia.pk}/">Show Mia Member</a>' in page


def test_the_role_of_the_last_admin_can_not_be_chosen(alex: User, mia: User) -> None:
    own = page_text(browser(alex).get(f"{PEOPLE}{alex.pk}/"))
    other = page_text(browser(alex).get(f"{PEOPLE}{mia.pk}/"))

    assert "Alex Admin is the only admin. Make somebody else an admin first" in own
    assert '<fieldset class="mb-3" disabled>' in own
    assert re.search(r'<button type="submit"\s+class="btn btn-primary"\s+disabled>Save', own)
    assert " disabled>" not in other
