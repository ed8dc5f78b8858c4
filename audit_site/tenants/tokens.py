"""Making and revoking API tokens."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from audit_site.db.lengths import fitted
from audit_site.tenants.audit import record_audit
from audit_site.tenants.fields import invalid
from audit_site.tenants.models import ApiToken, Role, Scope, Tenant, User

TOKEN_PREFIX = "audit_"  # noqa: S105  a mark by which secret scanners know our tokens
#: The scopes a token of a role has unless it is given fewer.
ROLE_SCOPES: dict[str, list[str]] = {
    Role.VIEWER: [Scope.READ],
    Role.MEMBER: [Scope.READ, Scope.WRITE],
    Role.ADMIN: [Scope.READ, Scope.WRITE, Scope.ADMIN],
}


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
        raise invalid("scopes", f"Scopes are {', '.join(Scope.values)}.")
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
