"""Roles change and people go; the last admin stays, and what a person had ends at once."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from django.db import transaction

from audit_site.errors import DomainError
from audit_site.tenants.members import change_role, remove_member
from audit_site.tenants.models import ApiToken, AuditEvent, Membership, Tenant, User
from audit_site.tenants.tokens import create_api_token, make_token
from tests.clients import V1, api_of, browser, problem, text
from tests.concurrency import at_once
from tests.factories import make_member


def refusal(act: object, **named: object) -> tuple[int, str]:
    with pytest.raises(DomainError) as refused:
        act(**named)
    return refused.value.status, refused.value.code


def roles(tenant: Tenant) -> dict[str, str]:
    rows = Membership.objects.for_tenant(tenant).order_by("user__email")
    return dict(rows.values_list("user__email", "role"))


def test_a_role_changes_from_the_next_request_on(tenant: Tenant, alex: User, mia: User) -> None:
    api, page = api_of(mia), browser(mia)

    change_role(tenant=tenant, actor=alex, user=mia, role="viewer")

    assert problem(api.post(f"{V1}/companies/", {}))[0] == 403
    assert page.get("/companies/add/").status_code == 403
    event = AuditEvent.objects.get(action="member.role_changed")
    assert (event.actor_id, event.object_id) == (str(alex.pk), str(mia.pk))


def test_a_token_does_no_more_than_the_role_of_now(tenant: Tenant, alex: User) -> None:
    other = make_member(tenant, "admin")
    api = api_of(other)

    change_role(tenant=tenant, actor=alex, user=other, role="viewer")

    assert api.get(f"{V1}/me/").json()["scopes"] == ["read"]
    change_role(tenant=tenant, actor=alex, user=other, role="admin")
    assert api.get(f"{V1}/me/").json()["scopes"] == ["read", "write", "admin"]


@pytest.mark.parametrize("act", [change_role, remove_member])
def test_the_last_admin_stays(tenant: Tenant, alex: User, act: Any) -> None:
    gone = make_member(tenant, "admin", email="gone@example.com", is_active=False)
    role = {"role": "viewer"} if act is change_role else {}

    assert refusal(act, tenant=tenant, actor=alex, user=alex, **role) == (409, "last_admin")
    assert roles(tenant) == {"alex@example.com": "admin", gone.email: "admin"}


def test_own_role_may_shrink_while_another_admin_stays(tenant: Tenant, alex: User) -> None:
    make_member(tenant, "admin", email="zoe@example.com")

    change_role(tenant=tenant, actor=alex, user=alex, role="viewer")

    assert roles(tenant) == {"alex@example.com": "viewer", "zoe@example.com": "admin"}


@pytest.mark.parametrize("role", ["owner", "", "Admin"])
def test_an_unknown_role_is_refused(tenant: Tenant, alex: User, mia: User, role: str) -> None:
    assert refusal(change_role, tenant=tenant, actor=alex, user=mia, role=role)[0] == 400
    assert roles(tenant)["mia@example.com"] == "member"


def test_who_was_an_admin_when_they_asked_changes_nobody(
    tenant: Tenant, alex: User, mia: User, vic: User
) -> None:
    for act, more in ((change_role, {"role": "admin"}), (remove_member, {})):
        assert refusal(act, tenant=tenant, actor=mia, user=vic, **more) == (403, "admin_required")


def test_a_stranger_is_no_member(tenant: Tenant, alex: User, otto: User) -> None:
    assert refusal(remove_member, tenant=tenant, actor=alex, user=otto) == (409, "no_member")
    assert otto.memberships.count() == 1


def test_who_is_removed_is_out_with_tokens_and_sessions(
    tenant: Tenant, other_tenant: Tenant, alex: User, mia: User
) -> None:
    api, page = api_of(mia), browser(mia)

    remove_member(tenant=tenant, actor=alex, user=mia)

    assert problem(api.get(f"{V1}/me/"))[0] == 401
    assert page.get("/companies/")["Location"].startswith("/accounts/login/")
    assert ApiToken.objects.exclude(revoked_at=None).count() == 1
    assert roles(tenant) == {"alex@example.com": "admin"}


def test_who_is_removed_keeps_what_they_have_elsewhere(
    tenant: Tenant, other_tenant: Tenant, alex: User, mia: User
) -> None:
    Membership.objects.create(tenant=other_tenant, user=mia, role="viewer")
    create_api_token(tenant=other_tenant, user=mia, scopes=["read"])
    page = browser(mia)
    page.post("/tenant/", {"tenant": str(tenant.pk)})

    remove_member(tenant=tenant, actor=alex, user=mia)

    assert ApiToken.objects.get().revoked_at is None
    refused = page.post("/companies/add/", {"name": "Meant for the first tenant"})
    assert refused.status_code == 403
    assert f"You are no member of {tenant.name} any more" in text(refused)
    assert "MSP" in page.get("/companies/").content.decode()
    assert page.get(f"{V1}/me/").json()["tenant"]["id"] == str(other_tenant.pk)
    assert page.post("/account/leave/").status_code == 302


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", ["leave", "remove", "demote"])
def test_of_two_last_admins_who_go_at_once_one_stays(act: str) -> None:
    tenant = Tenant.objects.create(name="MSP")
    one, two = make_member(tenant), make_member(tenant)
    codes: list[str] = []

    def go(actor: User, user: User) -> None:
        try:
            if act == "demote":
                change_role(tenant=tenant, actor=actor, user=user, role="viewer")
            else:
                remove_member(tenant=tenant, actor=actor, user=user)
        except DomainError as error:
            codes.append(error.code)

    pairs = [(one, two), (two, one)] if act == "remove" else [(one, one), (two, two)]
    at_once(*(lambda pair=pair: go(*pair) for pair in pairs))

    assert codes in (["last_admin"], ["admin_required"])
    assert list(roles(tenant).values()).count("admin") == 1


def test_who_is_no_admin_any_more_does_not_make_themselves_one_again(
    tenant: Tenant, alex: User
) -> None:
    """Their request was let through before they were demoted, and comes to its turn after it."""
    other = make_member(tenant)
    change_role(tenant=tenant, actor=other, user=alex, role="viewer")

    with pytest.raises(DomainError) as refused:
        change_role(tenant=tenant, actor=alex, user=alex, role="admin")

    assert (refused.value.code, refused.value.status) == ("admin_required", 403)
    assert roles(tenant)["alex@example.com"] == "viewer"


def test_who_is_removed_gets_no_token_any_more(tenant: Tenant, alex: User, mia: User) -> None:
    before = Membership.objects.select_related("tenant", "user").get(user=mia)
    remove_member(tenant=tenant, actor=alex, user=mia)

    made = {"scopes_of_maker": ["read"], "name": "Late", "scopes": ["read"]}

    assert refusal(make_token, membership=before, **made) == (409, "no_member")
    assert not ApiToken.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_token_that_is_made_while_its_owner_is_removed_does_not_survive() -> None:
    tenant = Tenant.objects.create(name="MSP")
    admin, mia = make_member(tenant), make_member(tenant, "member")
    removing, making = threading.Event(), threading.Event()

    def remove() -> None:
        with transaction.atomic():
            remove_member(tenant=tenant, actor=admin, user=mia)
            removing.set()
            making.wait(10)
            time.sleep(0.3)  # the other one waits for the lock

    def make() -> None:
        removing.wait(10)
        making.set()
        with suppress(DomainError):
            create_api_token(tenant=tenant, user=mia, scopes=["read"])

    at_once(remove, make)

    assert roles(tenant) == {admin.email: "admin"}
    assert not ApiToken.objects.filter(revoked_at=None).exists()


@pytest.mark.parametrize("role", ["admin", "member", "viewer"])
def test_who_was_seen_is_noted_at_most_every_five_minutes(tenant: Tenant, role: str) -> None:
    user = make_member(tenant, role)
    membership = Membership.objects.filter(user=user)
    membership.update(last_seen_at=None)
    page = browser(user)

    page.get("/companies/")
    first = membership.get().last_seen_at
    page.get("/companies/")

    assert first is not None
    assert membership.get().last_seen_at == first
