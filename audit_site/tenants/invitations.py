"""Invitations: how a person becomes a member, and the only way for one who is known already."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit_site.db import walls
from audit_site.errors import DomainError, FieldErrors
from audit_site.queue import enqueue
from audit_site.tenants.addresses import clean_address
from audit_site.tenants.audit import record_audit
from audit_site.tenants.fields import clean_person_name, clean_role
from audit_site.tenants.locks import lock_tenant
from audit_site.tenants.members import admin_still
from audit_site.tenants.models import (
    NEVER_TRIED,
    VALID_FOR,
    Invitation,
    Membership,
    Tenant,
    User,
)
from audit_site.tenants.proof import give_way, holder_of, prove

TASK: Final = "tenants.send_invitations"
ASK: Final = "Ask the person who invited you for another one."


# Asking


@transaction.atomic
def invite(
    *, tenant: Tenant, actor: User | None, email: str, role: str, name: str = ""
) -> Invitation:
    """Ask a person to join a tenant, by an e-mail whose link is good once and for seven days."""
    address, name = clean_address(email), clean_person_name(name)
    clean_role(role)
    _hold(tenant, actor)
    if Membership.objects.for_tenant(tenant).filter(user__email__iexact=address).exists():
        raise DomainError(
            "already_member", f"{address} is in this account already.", "Change their role instead."
        )
    if is_invited(tenant=tenant, email=address):
        raise DomainError(
            "already_invited",
            f"{address} is invited already.",
            "Send the invitation again, or withdraw it first.",
        )
    invitation = Invitation.objects.create(
        tenant=tenant,
        email=address,
        name=name,
        role=role,
        invited_by=actor,
        expires_at=timezone.now() + VALID_FOR,
    )
    _audit(invitation, actor, "person.invited", after={"email": address, "role": role})
    enqueue(TASK)
    return invitation


def is_invited(*, tenant: Tenant, email: str) -> bool:
    """Whether an invitation to an address is open."""
    rows = Invitation.objects.for_tenant(tenant).open()
    return rows.filter(email=clean_address(email)).exists()


@transaction.atomic
def send_again(*, invitation: Invitation, actor: User) -> Invitation:
    """Send a new e-mail with a new link: the one before opens nothing from then on."""
    held = _held(invitation, actor)
    renewed = {**NEVER_TRIED, "token_hash": None, "expires_at": timezone.now() + VALID_FOR}
    for name, value in renewed.items():
        setattr(held, name, value)
    held.save(update_fields=list(renewed))
    _audit(held, actor, "person.invited_again", after={"email": held.email, "role": held.role})
    enqueue(TASK)
    return held


@transaction.atomic
def change_invited_role(*, invitation: Invitation, actor: User, role: str) -> Invitation:
    """What the person will be once they accept."""
    clean_role(role)
    held = _held(invitation, actor)
    if held.role != role:
        before, held.role = held.role, role
        held.save(update_fields=["role"])
        _audit(
            held, actor, "invitation.role_changed", before={"role": before}, after={"role": role}
        )
    return held


@transaction.atomic
def withdraw(*, invitation: Invitation, actor: User) -> None:
    """Take an invitation back: its link opens nothing any more."""
    held = _held(invitation, actor)
    held.revoked_at = timezone.now()
    held.save(update_fields=["revoked_at"])
    _audit(held, actor, "invitation.withdrawn", before={"email": held.email, "role": held.role})


def _hold(tenant: Tenant, actor: User | None) -> None:
    lock_tenant(tenant)
    if actor is not None:
        admin_still(tenant, actor)


def _held(invitation: Invitation, actor: User) -> Invitation:
    """An open invitation as it is now, under the lock that all changes of members take."""
    _hold(invitation.tenant, actor)
    rows = Invitation.objects.for_tenant(invitation.tenant).select_for_update(no_key=True)
    held = rows.get(pk=invitation.pk)
    if held.accepted_at or held.revoked_at:
        raise DomainError(
            "no_invitation",
            "This invitation was accepted or withdrawn meanwhile.",
            "Look at the list again.",
        )
    return held


def _audit(invitation: Invitation, actor: User | None, action: str, **values: Any) -> None:
    record_audit(tenant=invitation.tenant, actor=actor, action=action, subject=invitation, **values)


# Accepting


def hash_link(token: str) -> str:
    """SHA-256 is enough: a link's token is 256 random bits, not a password."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_invitation(token_hash: str) -> Invitation | None:
    """The invitation that a link belongs to; None for a link of no e-mail, or of an older one."""
    with walls.as_holder(token_hash):
        found = Invitation.objects.filter(token_hash=token_hash).first()
    if found is None:
        return None
    with walls.within(found.tenant_id):
        rows = Invitation.objects.filter(tenant=found.tenant_id, pk=found.pk)
        return rows.select_related("tenant", "invited_by").first()


def why_closed(invitation: Invitation, now: datetime | None = None) -> DomainError | None:
    """Why an invitation can't be accepted any more; None = it can."""
    if invitation.accepted_at:
        message = "This invitation was accepted already: a link is good once."
        return DomainError("invitation_used", message, "Sign in as usual.", status=410)
    if invitation.revoked_at:
        return DomainError(
            "invitation_withdrawn", "This invitation was withdrawn.", ASK, status=410
        )
    if invitation.expires_at <= (now or timezone.now()):
        message = "This invitation has run out: it was good for seven days."
        return DomainError("invitation_expired", message, ASK, status=410)
    return None


def is_for(invitation: Invitation, user: User) -> bool:
    """Whether an invitation is for the address that a person signs in with, or has proved."""
    if user.email.lower() == invitation.email:
        return True
    holder = holder_of(invitation.email)
    return holder is not None and holder.has_proved and holder.user == user


class Way(StrEnum):
    """How who opened the link becomes a member."""

    SIGN_IN = "the address is that of an account which proved it: only who signs in may accept"
    NEW = "nobody signs in with the address: a name and a password make the account"
    EITHER = "an account signs in with the address, but never proved to read its mail"


def way_in(invitation: Invitation) -> Way:
    holder = holder_of(invitation.email)
    if holder is None or not holder.can_sign_in:
        return Way.NEW
    return Way.SIGN_IN if holder.has_proved else Way.EITHER


@transaction.atomic
def accept(*, invitation: Invitation, user: User) -> Membership:
    """Make the signed-in person a member; they hold the link that went to their very address."""
    with walls.within(invitation.tenant_id):
        return _accept(invitation, user)


def _accept(invitation: Invitation, user: User) -> Membership:
    taken = _take(invitation)
    if not is_for(taken, user):
        raise DomainError(
            "invitation_for_another",
            f"This invitation is for {taken.email}, and you are signed in as {user.email}.",
            f"Sign out, and go on as {taken.email}.",
            status=403,
        )
    if user.email.lower() == taken.email:
        prove(user)
    return _join(taken, user)


def accept_as_new(*, invitation: Invitation, name: str, password: str) -> Membership:
    """Make an account for the person who opened the link, and make them a member.

    An account that nobody can sign in to is theirs from now on. One that somebody can, but that
    never proved the address, loses it.
    """
    name = clean_person_name(name) or invitation.name
    _check_password(User(email=invitation.email, name=name), password)
    hashed = make_password(password)  # made to be slow: nobody waits for a lock meanwhile
    with walls.within(invitation.tenant_id):
        return _accept_as_new(invitation, name, hashed)


@transaction.atomic
def _accept_as_new(invitation: Invitation, name: str, hashed_password: str) -> Membership:
    taken = _take(invitation)
    holder, way = holder_of(taken.email), way_in(taken)
    if way is Way.SIGN_IN:
        raise _has_account(taken.email)
    if holder is not None and way is Way.EITHER:
        give_way(holder.user)
        holder = None
    user = holder.user if holder else User(email=taken.email)
    user.name, user.password = name or user.name, hashed_password
    try:
        with transaction.atomic():
            user.save()
            prove(user)
    except IntegrityError:  # by another invitation to the same address, at this moment
        raise _has_account(taken.email) from None
    return _join(taken, user)


def _has_account(email: str) -> DomainError:
    return DomainError(
        "sign_in_first", f"{email} has an account.", "Sign in with it to accept this invitation."
    )


def _check_password(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise FieldErrors(
            [{"field": "password", "code": "invalid", "message": text} for text in error.messages]
        ) from None


def _take(invitation: Invitation) -> Invitation:
    """Use an invitation up; of two who do so at once, one is told that it is used."""
    lock_tenant(invitation.tenant)
    now = timezone.now()
    rows = Invitation.objects.for_tenant(invitation.tenant).filter(pk=invitation.pk)
    same_link = rows.open().filter(token_hash=invitation.token_hash, expires_at__gt=now)
    is_taken = same_link.update(accepted_at=now)
    taken = rows.select_related("tenant").get()
    if not is_taken:
        raise why_closed(taken, now) or DomainError(
            "invitation_replaced",
            "A newer e-mail with another link was sent to you.",
            "Open the link of the newest one.",
            status=410,
        )
    return taken


def _join(invitation: Invitation, user: User) -> Membership:
    membership, _ = Membership.objects.get_or_create(
        tenant=invitation.tenant, user=user, defaults={"role": invitation.role}
    )
    _audit(
        invitation,
        user,
        "invitation.accepted",
        after={"user": str(user.pk), "email": invitation.email, "role": membership.role},
    )
    return membership
