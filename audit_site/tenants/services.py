"""Writes on tenants, members and API tokens."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from audit_site.db.lengths import fitted
from audit_site.errors import FieldErrors
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import ApiToken, Membership, Role, Scope, Tenant, User

TOKEN_PREFIX = "audit_"  # noqa: S105  a mark by which secret scanners know our tokens
#: The scopes a token of a role has unless it is given fewer.
ROLE_SCOPES: dict[str, list[str]] = {
    Role.VIEWER: [Scope.READ],
    Role.MEMBER: [Scope.READ, Scope.WRITE],
    Role.ADMIN: [Scope.READ, Scope.WRITE, Scope.ADMIN],
}


def _invalid(field: str, message: str) -> FieldErrors:
    return FieldErrors([{"field": field, "code": "invalid", "message": message}])


def _clean_email(email: str) -> str:
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise _invalid("email", f"“{email}” is not an e-mail address.") from None
    return email


@transaction.atomic
def create_tenant(
    *,
    name: str,
    admin_email: str,
    password: str | None = None,
    company_limit: int = 25,
    time_zone: str = "UTC",
    currency: str = "USD",
) -> tuple[Tenant, User, str | None]:
    """Create a tenant with its first admin; return the password if one was made up."""
    currency = currency.strip().upper()
    if not name.strip():
        raise _invalid("name", "A tenant needs a name.")
    if time_zone not in available_timezones():
        raise _invalid("timezone", f"“{time_zone}” is no time zone; write it as America/New_York.")
    if len(currency) != 3 or not (currency.isascii() and currency.isalpha()):
        raise _invalid("currency", "A currency is an ISO 4217 code such as USD.")
    if company_limit < 0:
        raise _invalid("company_limit", "The licence can't cover fewer than no companies.")
    tenant = Tenant.objects.create(
        name=name.strip(), timezone=time_zone, currency=currency, company_limit=company_limit
    )
    user, made_up = add_member(
        tenant=tenant, email=admin_email, role=Role.ADMIN, password=password, needs_password=True
    )
    return tenant, user, made_up


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
        raise _invalid("role", f"A role is one of {', '.join(Role.values)}.")
    email = _clean_email(email)
    user, made_up = User.objects.filter(email__iexact=email).first(), None
    if user is None:
        if password is None and needs_password:
            password = made_up = secrets.token_urlsafe(12)
        user = User.objects.create_user(email, password, name=name)
    Membership.objects.get_or_create(tenant=tenant, user=user, defaults={"role": role})
    return user, made_up


def hash_token(plain: str) -> str:
    """SHA-256 is enough: the token is 256 random bits, not a password."""
    return hashlib.sha256(plain.encode()).hexdigest()


@transaction.atomic
def create_api_token(
    *, tenant: Tenant, user: User, scopes: Sequence[str], name: str = "", actor: User | None = None
) -> tuple[ApiToken, str]:
    """Create a token and return it with its plain text, which is not kept."""
    unknown = sorted(set(scopes) - set(Scope.values))
    if unknown or not scopes:
        raise _invalid("scopes", f"Scopes are {', '.join(Scope.values)}.")
    plain = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        tenant=tenant,
        user=user,
        name=name,
        token_hash=hash_token(plain),
        hint=fitted(ApiToken, "hint", plain),
        scopes=[scope for scope in Scope.values if scope in scopes],
    )
    record_audit(tenant=tenant, actor=actor, action="token.created", subject=token)
    return token, plain


@transaction.atomic
def revoke_api_token(*, token: ApiToken, actor: User | None) -> None:
    """End a token's life; its row stays for the audit trail."""
    if token.revoked_at is None:
        token.revoked_at = timezone.now()
        token.save(update_fields=["revoked_at"])
        record_audit(tenant=token.tenant, actor=actor, action="token.revoked", subject=token)
