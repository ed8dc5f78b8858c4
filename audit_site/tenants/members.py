"""Who belongs to a tenant."""

from __future__ import annotations

import secrets

from django.db import transaction

from audit_site.tenants.fields import clean_email, invalid
from audit_site.tenants.models import Membership, Role, Tenant, User


@transaction.atomic
def add_member(
    *,
    tenant: Tenant,
    email: str,
    role: str,
    name: str = "",
    password: str | None = None,
    needs_password: bool = False,
) -> tuple[User, str | None]:
    """Put a person into a tenant, in this role if they are new there.

    Return the person, and the password if one was made up for a new user.
    """
    if role not in Role.values:
        raise invalid("role", f"A role is one of {', '.join(Role.values)}.")
    email = clean_email(email)
    user, made_up = User.objects.filter(email__iexact=email).first(), None
    if user is None:
        if password is None and needs_password:
            password = made_up = secrets.token_urlsafe(12)
        user = User.objects.create_user(email, password, name=name)
    Membership.objects.get_or_create(tenant=tenant, user=user, defaults={"role": role})
    return user, made_up
