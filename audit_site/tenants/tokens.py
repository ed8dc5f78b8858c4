"""Making and revoking API tokens."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from audit_site.db.lengths import fitted, length_of
from audit_site.errors import DomainError, FieldErrors
from audit_site.tenants import wrong_tokens
from audit_site.tenants.audit import record_audit
from audit_site.tenants.fields import invalid
from audit_site.tenants.locks import lock_tenant
from audit_site.tenants.models import ApiToken, Membership, Role, Scope, Tenant, User

TOKEN_PREFIX = "audit_"  # noqa: S105  a mark by which secret scanners know our tokens
#: What is none of ours is known without a look at the database.
LOOKS_LIKE_ONE: Final = re.compile(rf"{TOKEN_PREFIX}[A-Za-z0-9_-]{{43}}")
#: The scopes a token of a role has unless it is given fewer.
ROLE_SCOPES: dict[str, list[str]] = {
    Role.VIEWER: [Scope.READ],
    Role.MEMBER: [Scope.READ, Scope.WRITE],
    Role.ADMIN: [Scope.READ, Scope.WRITE, Scope.ADMIN],
}


def hash_token(plain: str) -> str:
    """SHA-256 is enough: the token is 256 random bits, not a password."""
    return hashlib.sha256(plain.encode()).hexdigest()


def scopes_now(token: ApiToken, role: str) -> list[str]:
    """What a token may do while its owner has this role."""
    return [scope for scope in ROLE_SCOPES[role] if scope in token.scopes]


def list_tokens(tenant: Tenant, owner: User | None = None) -> QuerySet[ApiToken]:
    """Tokens that are not revoked, newest first, of one person or of all; each with its owner and,
    as `role`, what that one is now.
    """
    rows = ApiToken.objects.for_tenant(tenant).filter(revoked_at=None)
    if owner is not None:
        rows = rows.filter(user=owner)
    roles = Membership.objects.for_tenant(tenant).filter(user=OuterRef("user")).values("role")
    known = rows.annotate(role=Subquery(roles)).exclude(role=None)
    return known.select_related("user").order_by("-id")


def make_token(
    *,
    membership: Membership,
    scopes_of_maker: Collection[str],
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    made_with: ApiToken | None = None,
) -> tuple[ApiToken, str]:
    """Make a token for oneself: it may do no more than its maker, and lives no longer than a token
    that makes it (as long, where nothing is said). Returns it with its plain text, which is not
    kept.
    """
    name = name.strip()
    if not name:
        raise _field_error("name", "required", "Give it a name: which program is it for?")
    if len(name) > length_of(ApiToken, "name"):
        most = length_of(ApiToken, "name")
        raise _field_error("name", "max_length", f"A name has at most {most} characters.")
    _refuse_more(scopes, scopes_of_maker)
    if expires_at is None and made_with is not None:
        expires_at = made_with.expires_at
    _refuse_end(expires_at, made_with)
    return create_api_token(
        tenant=membership.tenant,
        user=membership.user,
        scopes=scopes,
        name=name,
        expires_at=expires_at,
        actor=membership.user,
    )


def _refuse_more(scopes: Sequence[str], allowed: Collection[str]) -> None:
    more = [scope for scope in scopes if scope in Scope.values and scope not in allowed]
    if more:
        message = f"You may not {' or '.join(more)} yourself, so that no token of yours may."
        raise _field_error("scopes", "scope_too_wide", message)


def _refuse_end(expires_at: datetime | None, made_with: ApiToken | None) -> None:
    if expires_at is not None and expires_at <= timezone.now():
        raise _field_error("expires_at", "invalid", "Choose a moment to come, or none.")
    latest = made_with.expires_at if made_with else None
    if latest is not None and expires_at is not None and expires_at > latest:
        message = f"The token that makes it ends on {latest:%Y-%m-%d %H:%M} UTC; choose no later."
        raise _field_error("expires_at", "invalid", message)


def _field_error(field: str, code: str, message: str) -> FieldErrors:
    return FieldErrors([{"field": field, "code": code, "message": message}], code)


@transaction.atomic
def create_api_token(
    *,
    tenant: Tenant,
    user: User,
    scopes: Sequence[str],
    name: str = "",
    expires_at: datetime | None = None,
    actor: User | None = None,
) -> tuple[ApiToken, str]:
    """Create a token of a member and return it with its plain text, which is not kept.

    Under the lock that all changes of members take: nobody gets one while they are removed.
    """
    unknown = sorted(set(scopes) - set(Scope.values))
    if unknown or not scopes:
        raise invalid("scopes", f"Scopes are {', '.join(Scope.values)}.")
    lock_tenant(tenant)
    if not Membership.objects.for_tenant(tenant).filter(user=user).exists():
        raise DomainError("no_member", "Tokens are for members.", "Ask an admin to be added.")
    plain = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        tenant=tenant,
        user=user,
        name=name,
        token_hash=hash_token(plain),
        prefix=fitted(ApiToken, "prefix", plain),
        scopes=[scope for scope in Scope.values if scope in scopes],
        expires_at=expires_at,
    )
    transaction.on_commit(lambda: wrong_tokens.remember_right(token.token_hash))
    record_audit(
        tenant=tenant, actor=actor, action="token.created", subject=token, after=_values(token)
    )
    return token, plain


@transaction.atomic
def revoke_api_token(*, token: ApiToken, actor: User | None) -> None:
    """End a token's life, from the next request on; its row stays."""
    rows = ApiToken.objects.for_tenant(token.tenant).filter(pk=token.pk, revoked_at=None)
    token.revoked_at = timezone.now()
    if rows.update(revoked_at=token.revoked_at):
        record_audit(
            tenant=token.tenant,
            actor=actor,
            action="token.revoked",
            subject=token,
            before=_values(token),
        )


def _values(token: ApiToken) -> dict[str, object]:
    """A token as the audit trail writes it: by the part of it that is no secret."""
    return {
        "prefix": token.prefix,
        "owner": str(token.user_id),
        "scopes": token.scopes,
        "expires_at": token.expires_at,
    }
