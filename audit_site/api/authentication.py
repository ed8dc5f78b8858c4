"""Who asks: a bearer token of one user in one tenant, or the browser's session."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from audit_site.tenants.middleware import find_membership
from audit_site.tenants.models import ApiToken, Membership, User
from audit_site.tenants.tokens import ROLE_SCOPES, hash_token
from audit_site.tenants.two_factor import is_needed

#: `last_used_at` is not written more often than this.
USE_NOTED_EVERY = timedelta(minutes=1)


class BearerAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        kind, _, plain = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        token = (
            ApiToken.objects.filter(token_hash=hash_token(plain.strip()), revoked_at=None)
            .select_related("user", "tenant")
            .first()
        )
        if token is None or not token.user.is_active:
            raise AuthenticationFailed("This token is not valid. Make a new one.")
        membership = (
            Membership.objects.for_tenant(token.tenant)
            .filter(user=token.user)
            .select_related("tenant")
            .first()
        )
        if membership is None:
            raise AuthenticationFailed("The owner of this token is no member any more.")
        self._note_use(token)
        _attach(request, membership, token.scopes)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'

    @staticmethod
    def _note_use(token: ApiToken) -> None:
        now = timezone.now()
        if token.last_used_at is None or now - token.last_used_at > USE_NOTED_EVERY:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)


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
    request.membership = membership  # type: ignore[attr-defined]
    request.scopes = frozenset(scopes)  # type: ignore[attr-defined]


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
