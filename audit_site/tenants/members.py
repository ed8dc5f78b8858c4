"""Who belongs to a tenant, and as what."""

from __future__ import annotations

from django.db import transaction

from audit_site.errors import DomainError
from audit_site.tenants.access import end_access
from audit_site.tenants.addresses import clean_address
from audit_site.tenants.audit import record_audit
from audit_site.tenants.fields import clean_person_name, clean_role
from audit_site.tenants.locks import lock_tenant
from audit_site.tenants.models import Membership, Role, Tenant, User
from audit_site.tenants.proof import holder_of, prove
from audit_site.tenants.selectors import memberships_of


@transaction.atomic
def add_new_person(
    *, tenant: Tenant, email: str, role: str, name: str = "", password: str | None = None
) -> User:
    """Make an account for a person whom nobody knows yet, in a tenant: the operator says who it is.

    With a password the address counts as proved: the operator hands both to its owner.
    """
    fields = {"name": clean_person_name(name)}
    user = User.objects.create_user(clean_address(email), password, **fields)
    _add(tenant, user, role)
    if password is not None:
        prove(user)
    return user


@transaction.atomic
def find_or_add(*, tenant: Tenant, email: str, role: str) -> User | None:
    """The member with an address, for the operator, who may add people that nobody knows yet.

    None = somebody else's account: that person is a member only by accepting an invitation. An
    account without a tenant that nobody can sign in to was made by an operator, and is nobody's.
    """
    address = clean_address(email)
    lock_tenant(tenant)
    holder = holder_of(address)
    if holder is None:
        return add_new_person(tenant=tenant, email=address, role=role)
    user = holder.user
    if Membership.objects.for_tenant(tenant).filter(user=user).exists():
        return user
    if holder.can_sign_in or holder.has_proved or memberships_of(user):
        return None
    _add(tenant, user, role)
    return user


def _add(tenant: Tenant, user: User, role: str) -> None:
    """Make a person that nobody knows a member, as the operator says."""
    Membership.objects.create(tenant=tenant, user=user, role=clean_role(role))
    after = {"email": user.email, "role": role}
    record_audit(
        tenant=tenant, actor=None, action="member.added", subject=user, before=None, after=after
    )


@transaction.atomic
def change_role(*, tenant: Tenant, actor: User, user: User, role: str) -> Membership:
    """Let a member do more or less from now on; the last admin stays one."""
    clean_role(role)
    membership = _held(tenant, user, by=actor)
    if membership.role != role:
        if role != Role.ADMIN:
            _refuse_last_admin(membership)
        before, membership.role = membership.role, role
        membership.save(update_fields=["role"])
        record_audit(
            tenant=tenant,
            actor=actor,
            action="member.role_changed",
            subject=user,
            before={"role": before},
            after={"role": role},
        )
    return membership


@transaction.atomic
def remove_member(*, tenant: Tenant, actor: User, user: User) -> None:
    """Take a person out of a tenant: tokens and sessions there end at once; the last admin stays.

    Who takes themselves out leaves, which everybody may.
    """
    membership = _held(tenant, user, by=None if actor == user else actor)
    _refuse_last_admin(membership)
    membership.delete()
    tokens = end_access(user, tenant)
    record_audit(
        tenant=tenant,
        actor=actor,
        action="member.left" if actor == user else "member.removed",
        subject=user,
        before={"role": membership.role, "tokens": [str(token) for token in tokens]},
        after=None,
    )


def admin_still(tenant: Tenant, actor: User) -> None:
    """Refuse who was an admin when the request began, and is none now. Call it under the lock."""
    now = Membership.objects.for_tenant(tenant).filter(user=actor, role=Role.ADMIN)
    if not now.exists():
        raise DomainError(
            "admin_required",
            "Only admins may do this.",
            "Ask an admin of your account.",
            status=403,
        )


def _held(tenant: Tenant, user: User, *, by: User | None) -> Membership:
    """A membership as it is now, under the lock that all changes of members take.

    `by`: who has to be an admin for it; None = nobody, for the person leaves.
    """
    lock_tenant(tenant)
    if by is not None:
        admin_still(tenant, by)
    membership = Membership.objects.for_tenant(tenant).filter(user=user).first()
    if membership is None:
        raise DomainError(
            "no_member", "This person is no member any more.", "Look at the list again."
        )
    return membership


def _refuse_last_admin(membership: Membership) -> None:
    others = Membership.objects.filter(tenant=membership.tenant_id, role=Role.ADMIN)
    if (
        membership.role == Role.ADMIN
        and not others.filter(user__is_active=True).exclude(pk=membership.pk).exists()
    ):
        raise DomainError(
            "last_admin",
            "This is the last admin: without one nobody could connect a PSA or invite people.",
            "Make somebody else an admin first.",
        )
