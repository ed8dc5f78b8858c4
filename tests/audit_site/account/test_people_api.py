"""REST: people, members and invited, in one list."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.utils import timezone
from rest_framework.test import APIClient

from audit_site.tenants.models import ApiToken, Invitation, Membership, Tenant, User
from tests.clients import V1, api_of, problem
from tests.factories import make_api, make_invitation, make_member

USERS = f"{V1}/users/"


@pytest.fixture
def admin(alex: User) -> APIClient:
    return api_of(alex)


def roles(tenant: Tenant) -> dict[str, str]:
    return dict(Membership.objects.for_tenant(tenant).values_list("user__email", "role"))


def test_members_and_invited_stand_in_one_list(
    tenant: Tenant, alex: User, mia: User, admin: APIClient, otto: User
) -> None:
    Authenticator.objects.create(user=mia, type="totp", data={})
    Authenticator.objects.create(user=alex, type="recovery_codes", data={})
    made = make_invitation(tenant, email="bob@example.com", name="Bob")
    make_invitation(tenant, revoked_at=timezone.now())
    make_invitation(tenant, accepted_at=timezone.now())

    page = admin.get(USERS).json()

    assert (page["next"], page["previous"]) == (None, None)
    first, second, third = page["results"]
    assert {**first, "last_seen_at": "", "joined_at": ""} == {
        "id": str(alex.pk),
        "email": "alex@example.com",
        "name": "Alex Admin",
        "role": "admin",
        "state": "active",
        "two_factor": False,
        "last_seen_at": "",
        "joined_at": "",
        "expires_at": None,
        "mail_refused": "",
        "can": [],
    }
    assert second == {
        "id": str(made.pk),
        "email": "bob@example.com",
        "name": "Bob",
        "role": "member",
        "state": "invited",
        "two_factor": False,
        "last_seen_at": None,
        "joined_at": None,
        "expires_at": made.expires_at.isoformat().replace("+00:00", "Z"),
        "mail_refused": "",
        "can": ["edit", "delete", "invite"],
    }
    assert (third["id"], third["two_factor"], third["can"]) == (
        str(mia.pk),
        True,
        ["edit", "delete"],
    )


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_list_is_paged_both_ways_at_a_constant_cost(
    tenant: Tenant, alex: User, admin: APIClient, size: int, django_assert_num_queries: Any
) -> None:
    for name in ("d", "b", "c"):
        make_invitation(tenant, email=f"{name}@example.com")
    make_member(tenant, email="e@example.com")
    admin.get(USERS)
    forward: list[str] = []
    url: str | None = f"{USERS}?page_size={size}"
    while url:
        with django_assert_num_queries(3):
            page = admin.get(url).json()
        forward += [person["email"][0] for person in page["results"]]
        last, url = url, page["next"]
    backward = [person["email"][0] for person in page["results"]]
    while page["previous"]:
        page = admin.get(page["previous"]).json()
        backward = [person["email"][0] for person in page["results"]] + backward

    assert "".join(forward) == "".join(backward) == "abcde"
    assert last.startswith("http")


@pytest.mark.parametrize(
    "cursor", ["x", "PngK", "PgB4CjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMA=="]
)
def test_a_cursor_of_another_kind_is_refused(admin: APIClient, cursor: str) -> None:
    assert problem(admin.get(f"{USERS}?cursor={cursor}")) == (400, "invalid_parameter")


def test_an_invitation_by_rest(tenant: Tenant, alex: User, admin: APIClient) -> None:
    answer = admin.post(USERS, {"email": "New@example.com", "role": "viewer"})

    made = Invitation.objects.get()
    assert answer.status_code == 201
    body = answer.json()
    assert (body["id"], body["email"], body["state"]) == (
        str(made.pk),
        "new@example.com",
        "invited",
    )
    assert (made.invited_by, made.sent_at) == (alex, None)
    assert answer["RateLimit"].startswith('"invitations";r=99')


def test_the_same_key_invites_once(tenant: Tenant, admin: APIClient) -> None:
    send = {"email": "new@example.com", "role": "viewer"}

    answers = [admin.post(USERS, send, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert Invitation.objects.count() == 1


@pytest.mark.parametrize(
    ("over", "status", "code"),
    [
        ({"email": "аda@example.com"}, 400, "invalid"),  # noqa: RUF001
        ({"email": ""}, 400, "blank"),
        ({"email": "ALEX@example.com"}, 409, "already_member"),
        ({"email": "bob@example.com"}, 409, "already_invited"),
        ({"role": "owner"}, 400, "invalid_choice"),
        ({"name": "n" * 10_000}, 400, "invalid"),
        ({"scopes": ["admin"]}, 400, "unknown_field"),
    ],
)
def test_bad_input_is_refused(
    tenant: Tenant, admin: APIClient, over: dict[str, Any], status: int, code: str
) -> None:
    make_invitation(tenant, email="bob@example.com")

    answer = admin.post(USERS, {"email": "new@example.com", "role": "viewer", **over})

    assert problem(answer) == (status, code)
    assert Invitation.objects.count() == 1


def test_an_invitation_is_sent_again_a_member_is_not(
    tenant: Tenant, alex: User, admin: APIClient
) -> None:
    made = make_invitation(tenant)

    again = admin.post(f"{USERS}{made.pk}/invite/")
    member = admin.post(f"{USERS}{alex.pk}/invite/")

    assert (again.status_code, again.json()["id"]) == (200, str(made.pk))
    assert problem(member) == (409, "already_member")
    made.refresh_from_db()
    assert made.sent_at is None


def test_a_role_changes_for_members_and_invited(
    tenant: Tenant, mia: User, admin: APIClient
) -> None:
    made = make_invitation(tenant)

    for pk in (mia.pk, made.pk):
        answer = admin.patch(f"{USERS}{pk}/", {"role": "admin"})
        assert (answer.status_code, answer.json()["role"]) == (200, "admin")

    made.refresh_from_db()
    assert (roles(tenant)["mia@example.com"], made.role) == ("admin", "admin")


def test_the_last_admin_is_409(tenant: Tenant, alex: User, admin: APIClient) -> None:
    address = f"{USERS}{alex.pk}/"

    assert problem(admin.patch(address, {"role": "viewer"})) == (409, "last_admin")
    assert problem(admin.delete(address)) == (409, "last_admin")
    assert roles(tenant) == {"alex@example.com": "admin"}


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_nobody_raises_their_own_role(tenant: Tenant, alex: User, role: str) -> None:
    api = make_api(tenant, role)

    answers = [
        api.patch(f"{USERS}{api.user.pk}/", {"role": "admin"}),
        api.post(USERS, {"email": "me2@example.com", "role": "admin"}),
        api.delete(f"{USERS}{alex.pk}/"),
        api.get(USERS),
    ]

    assert {problem(answer) for answer in answers} == {(403, "admin_required")}
    assert roles(tenant)[api.user.email] == role
    assert not Invitation.objects.exists()


def test_a_token_without_the_scope_changes_nobody(tenant: Tenant, alex: User) -> None:
    api = make_api(tenant, "admin", ["read", "write"])

    assert problem(api.delete(f"{USERS}{alex.pk}/")) == (403, "insufficient_scope")


def test_removed_means_out_at_once(tenant: Tenant, alex: User, mia: User, admin: APIClient) -> None:
    theirs = api_of(mia)

    assert admin.delete(f"{USERS}{mia.pk}/").status_code == 204

    assert problem(theirs.get(f"{V1}/me/"))[0] == 401
    assert ApiToken.objects.filter(user=mia, revoked_at=None).count() == 0
    assert problem(admin.get(f"{USERS}{mia.pk}/")) == (404, "not_found")
    assert roles(tenant) == {"alex@example.com": "admin"}


def test_an_invitation_is_withdrawn(tenant: Tenant, admin: APIClient) -> None:
    made = make_invitation(tenant)

    assert admin.delete(f"{USERS}{made.pk}/").status_code == 204

    made.refresh_from_db()
    assert made.revoked_at is not None
    assert problem(admin.delete(f"{USERS}{made.pk}/")) == (404, "not_found")


def test_a_change_of_what_was_not_seen_is_412(tenant: Tenant, mia: User, admin: APIClient) -> None:
    address = f"{USERS}{mia.pk}/"
    etag = admin.get(address)["ETag"]
    admin.patch(address, {"role": "viewer"})

    answer = admin.patch(address, {"role": "admin"}, headers={"If-Match": etag})

    assert problem(answer) == (412, "precondition_failed")
    assert answer.json()["current"]["role"] == "viewer"
    assert roles(tenant)["mia@example.com"] == "viewer"


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_another_tenants_people_are_404(
    admin: APIClient, other_tenant: Tenant, otto: User, method: str
) -> None:
    made = make_invitation(other_tenant)

    body = [{"role": "viewer"}] if method == "patch" else []
    for pk in (otto.pk, made.pk):
        answer = getattr(admin, method)(f"{USERS}{pk}/", *body)
        assert problem(answer) == (404, "not_found")
    assert otto.memberships.get().role == "admin"
    assert Invitation.objects.open().count() == 1
