"""A person becomes a member by accepting an invitation as the owner of its address."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.utils import timezone

from audit_site.errors import DomainError, FieldErrors
from audit_site.tenants.invitations import (
    Way,
    accept,
    accept_as_new,
    find_invitation,
    hash_link,
    invite,
    send_again,
    way_in,
    why_closed,
    withdraw,
)
from audit_site.tenants.models import AuditEvent, Invitation, Membership, Tenant, User
from tests.concurrency import at_once
from tests.factories import PASSWORD, make_invitation, make_member, make_user

NEW_PASSWORD = "seven-green-lanterns"


def refusal(act: object, **named: object) -> str:
    with pytest.raises(DomainError) as refused:
        act(**named)
    return refused.value.code


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("at", "id").values_list("action", flat=True))


def test_an_invitation_is_open_for_seven_days_and_waits_for_its_mail(
    tenant: Tenant, alex: User
) -> None:
    made = invite(tenant=tenant, actor=alex, email="New@Example.com", role="viewer", name=" N  N ")

    left = made.expires_at - timezone.now()
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    assert (made.email, made.name, made.role) == ("new@example.com", "N N", "viewer")
    assert (made.token_hash, made.sent_at, why_closed(made)) == (None, None, None)
    assert actions() == ["person.invited"]
    assert not User.objects.filter(email="new@example.com").exists()


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"role": "owner"}, "role"),
        ({"email": "nobody"}, "email"),
        ({"email": "ада@example.com"}, "email"),
        ({"name": "n" * 10_000}, "name"),
        ({"name": "n\0"}, "name"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_made(
    tenant: Tenant, alex: User, over: dict[str, str], field: str
) -> None:
    values = {"email": "new@example.com", "role": "member", **over}

    with pytest.raises(FieldErrors) as refused:
        invite(tenant=tenant, actor=alex, **values)

    assert [error["field"] for error in refused.value.errors] == [field]
    assert not Invitation.objects.exists()


def test_one_open_invitation_an_address_and_none_for_members(
    tenant: Tenant, alex: User, vic: User
) -> None:
    first = invite(tenant=tenant, actor=alex, email="new@example.com", role="viewer")
    again = {"act": invite, "tenant": tenant, "actor": alex, "role": "admin"}

    assert refusal(**again, email="NEW@example.com") == "already_invited"
    assert refusal(**again, email="Vic@example.com") == "already_member"

    withdraw(invitation=first, actor=alex)
    invite(tenant=tenant, actor=alex, email="new@example.com", role="viewer")
    assert Invitation.objects.open().count() == 1


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_who_is_no_admin_any_more_invites_nobody(tenant: Tenant, role: str) -> None:
    actor = make_member(tenant, role)

    assert refusal(invite, tenant=tenant, actor=actor, email="n@example.com", role="admin") == (
        "admin_required"
    )
    assert not Invitation.objects.exists()


def test_the_owner_of_a_new_address_makes_an_account_whose_address_is_proved(
    tenant: Tenant,
) -> None:
    made = make_invitation(tenant, name="Nina", role="viewer")

    joined = accept_as_new(invitation=made, name="", password=NEW_PASSWORD)

    user = joined.user
    assert (user.email, user.name, joined.role, joined.tenant) == (
        made.email,
        "Nina",
        "viewer",
        tenant,
    )
    assert user.check_password(NEW_PASSWORD)
    assert EmailAddress.objects.values_list("user", "email", "verified", "primary").get() == (
        user.pk,
        made.email,
        True,
        True,
    )
    assert actions() == ["invitation.accepted"]


@pytest.mark.parametrize("password", ["short", "password1234", "12345678901"])
def test_a_poor_password_uses_nothing_up(tenant: Tenant, password: str) -> None:
    made = make_invitation(tenant)

    with pytest.raises(FieldErrors) as refused:
        accept_as_new(invitation=made, name="", password=password)

    assert {error["field"] for error in refused.value.errors} == {"password"}
    made.refresh_from_db()
    assert made.accepted_at is None
    assert not User.objects.exists()


def test_who_is_known_accepts_signed_in_and_proves_the_address(tenant: Tenant) -> None:
    user = make_user(is_proved=False)
    made = make_invitation(tenant, email=user.email, role="admin")

    joined = accept(invitation=made, user=user)

    assert (joined.user, joined.role) == (user, "admin")
    assert EmailAddress.objects.values_list("user", "verified").get() == (user.pk, True)


def test_somebody_else_cannot_accept(tenant: Tenant, vic: User) -> None:
    made = make_invitation(tenant)

    assert refusal(accept, invitation=made, user=vic) == "invitation_for_another"

    made.refresh_from_db()
    assert made.accepted_at is None
    assert [m.user for m in Membership.objects.all()] == [vic]


def test_an_account_that_proved_its_address_is_never_taken_over(tenant: Tenant) -> None:
    user = make_user()
    made = make_invitation(tenant, email=user.email)

    assert way_in(made) is Way.SIGN_IN
    assert refusal(accept_as_new, invitation=made, name="", password=NEW_PASSWORD) == (
        "sign_in_first"
    )
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert not Membership.objects.exists()


def test_a_claim_gives_way_to_who_reads_the_mail_of_the_address(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    claimant = make_member(other_tenant, "viewer", email="owner@example.com", is_proved=False)
    made = make_invitation(tenant, email="owner@example.com", role="admin")
    assert way_in(made) is Way.EITHER

    joined = accept_as_new(invitation=made, name="Owner", password=NEW_PASSWORD)

    claimant.refresh_from_db()
    assert joined.user != claimant
    assert claimant.email == f"{claimant.pk}@not-proved.invalid"
    assert [m.tenant for m in claimant.memberships.all()] == [other_tenant]
    lost = AuditEvent.objects.get(action="address.lost")
    assert (lost.tenant, lost.before) == (other_tenant, {"email": "owner@example.com"})
    assert [m.tenant for m in joined.user.memberships.all()] == [tenant]


def test_an_account_that_nobody_can_sign_in_to_becomes_theirs(tenant: Tenant) -> None:
    made_by_operator = User.objects.create_user("owner@example.com")
    made = make_invitation(tenant, email="owner@example.com")

    joined = accept_as_new(invitation=made, name="Owner", password=NEW_PASSWORD)

    assert joined.user == made_by_operator
    assert User.objects.get().name == "Owner"


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ({"accepted_at": timezone.now()}, "invitation_used"),
        ({"revoked_at": timezone.now()}, "invitation_withdrawn"),
        ({"expires_at": timezone.now()}, "invitation_expired"),
    ],
)
def test_a_closed_invitation_says_why(tenant: Tenant, state: dict[str, object], code: str) -> None:
    user = make_user()
    made = make_invitation(tenant, email=user.email, **state)

    assert refusal(accept, invitation=made, user=user) == code
    assert refusal(accept_as_new, invitation=made, name="", password=NEW_PASSWORD) == code
    assert not Membership.objects.exists()


def test_a_link_that_a_newer_one_replaced_opens_nothing(tenant: Tenant) -> None:
    user = make_user()
    opened = make_invitation(tenant, "first", email=user.email)
    Invitation.objects.update(token_hash=hash_link("second"))

    assert refusal(accept, invitation=opened, user=user) == "invitation_replaced"
    assert find_invitation(hash_link("first")) is None
    assert find_invitation(hash_link("second")) == opened


def test_sent_again_it_waits_for_a_new_mail(tenant: Tenant, alex: User) -> None:
    made = make_invitation(tenant, expires_at=timezone.now())

    send_again(invitation=made, actor=alex)

    made.refresh_from_db()
    assert made.sent_at is None
    assert why_closed(made) is None
    assert actions() == ["person.invited_again"]


def test_what_was_accepted_is_neither_sent_again_nor_withdrawn(tenant: Tenant, alex: User) -> None:
    made = make_invitation(tenant, accepted_at=timezone.now())

    assert refusal(send_again, invitation=made, actor=alex) == "no_invitation"
    assert refusal(withdraw, invitation=made, actor=alex) == "no_invitation"


@pytest.mark.django_db(transaction=True)
def test_a_link_opened_twice_at_once_is_good_once() -> None:
    tenant = Tenant.objects.create(name="MSP")
    made = make_invitation(tenant)
    codes: list[str] = []

    def join() -> None:
        try:
            accept_as_new(invitation=made, name="", password=NEW_PASSWORD)
        except DomainError as error:
            codes.append(error.code)

    at_once(join, join)

    assert codes == ["invitation_used"]
    assert User.objects.count() == Membership.objects.count() == 1
