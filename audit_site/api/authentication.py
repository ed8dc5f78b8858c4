"""Who asks: a bearer token of one user in one tenant, or the browser's session."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from audit_site.db import walls
from audit_site.db.statements import ModelStatement, asked_id, asked_text
from audit_site.error_codes import CODES
from audit_site.tenants import wrong_tokens
from audit_site.tenants.middleware import enter_as, find_membership
from audit_site.tenants.models import ApiToken, Membership, User
from audit_site.tenants.origin import bring_token
from audit_site.tenants.tokens import LOOKS_LIKE_ONE, ROLE_SCOPES, hash_token
from audit_site.tenants.two_factor import is_needed

#: The two that each request with a token asks.
TOKEN: Final = ModelStatement[ApiToken](
    lambda: ApiToken.objects.filter(token_hash=asked_text(0)).select_related("user")
)
MEMBERSHIP: Final = ModelStatement[Membership](
    lambda: Membership.objects.filter(tenant=asked_id(0), user=asked_id(1)).select_related("tenant")
)
#: `last_used_at` is not written more often than this.
USE_NOTED_EVERY = timedelta(minutes=1)


class BearerAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        kind, _, plain = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        address = request.META.get("REMOTE_ADDR", "")
        try:
            token = _find_token(plain.strip(), address)
        except AuthenticationFailed:
            wrong_tokens.count(address)
            raise
        with walls.within(token.tenant_id):
            membership = MEMBERSHIP.first(token.tenant_id, token.user_id)
            if membership is None:
                raise AuthenticationFailed("The owner of this token is no member any more.")
            token.tenant = membership.tenant
            self._note_use(token, address)
        bring_token(token)
        _attach(request, membership, token.scopes)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'

    @staticmethod
    def _note_use(token: ApiToken, address: str) -> None:
        wrong_tokens.remember_right(token.token_hash)
        now = timezone.now()
        last = token.last_used_at
        if last is None or now - last > USE_NOTED_EVERY:
            ApiToken.objects.filter(pk=token.pk).update(
                last_used_at=now, last_used_ip=address or None
            )


def _find_token(plain: str, address: str) -> ApiToken:
    """The token that is still good. What does not even look like one is asked of nobody."""
    if not LOOKS_LIKE_ONE.fullmatch(plain):
        wrong_tokens.refuse_too_many(address)
        raise AuthenticationFailed("This is no token of ours. Check how it was copied.")
    hashed = hash_token(plain)
    wrong_tokens.refuse_too_many(address, hashed)
    with walls.as_holder(hashed):
        token = TOKEN.first(hashed)
    if token is None or not token.user.is_active:
        raise AuthenticationFailed("This token is not valid. Make a new one.")
    for code, has_ended in (
        ("token_revoked", token.revoked_at is not None),
        ("token_expired", token.is_expired),
    ):
        if has_ended:
            raise AuthenticationFailed(f"{CODES[code].meaning} {CODES[code].fix}", code)
    return token


class BrowserSessionAuthentication(SessionAuthentication):
    """The session of the pages; writes need the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        membership = find_membership(request._request)
        if membership is None:
            raise AuthenticationFailed("You are in no tenant. Ask an admin to add you.")
        if is_needed(request._request, membership):
            raise PermissionDenied(
                f"{membership.tenant.name} asks for two-factor sign-in. Set it up on “You”.",
                code="two_factor_required",
            )
        _attach(request, membership, ROLE_SCOPES[membership.role])
        return found[0], None


def _attach(request: Request, membership: Membership, scopes: list[str]) -> None:
    """A token never does more than the role that its owner has now."""
    enter_as(membership)
    request.membership = membership  # type: ignore[attr-defined]
    request.scopes = frozenset(scopes) & {*ROLE_SCOPES[membership.role]}  # type: ignore[attr-defined]


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = BearerAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = BrowserSessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
