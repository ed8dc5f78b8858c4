"""Who asks: a bearer token of one user in one tenant, or the browser's session."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import F, FilteredRelation, Q, QuerySet
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from audit_site.db import walls
from audit_site.db.statements import ModelStatement, RowStatement, asked_id, asked_text
from audit_site.error_codes import CODES
from audit_site.tenants import wrong_tokens
from audit_site.tenants.middleware import enter_as, find_membership
from audit_site.tenants.models import ApiToken, Membership, User
from audit_site.tenants.origin import bring_token
from audit_site.tenants.tokens import LOOKS_LIKE_ONE, ROLE_SCOPES, hash_token
from audit_site.tenants.two_factor import is_needed


class _Owner(NamedTuple):
    tenant_id: UUID


MEMBER: Final = [field.attname for field in Membership._meta.concrete_fields]


def _tokens() -> QuerySet[ApiToken]:
    """A token of a tenant with its owner and, as `member_…`, what they are in that tenant."""
    relation = "user__memberships"
    theirs = FilteredRelation(relation, condition=Q(**{f"{relation}__tenant": asked_id(0)}))
    tokens = ApiToken.objects.filter(tenant=asked_id(0), token_hash=asked_text(1))
    return (
        tokens.select_related("user", "tenant")
        .alias(theirs=theirs)
        .annotate(**{f"member_{name}": F(f"theirs__{name}") for name in MEMBER})
    )


#: Whose a token is, asked once in a process: no token ever moves to another tenant.
OWNER: Final = RowStatement(
    _Owner, lambda: ApiToken.objects.filter(token_hash=asked_text(0)).values_list("tenant_id")
)
#: What each request with a token asks.
TOKEN: Final = ModelStatement[ApiToken](_tokens)
_owners: dict[str, UUID] = {}
MOST_OWNERS: Final = 10_000
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
        membership = _membership(token)
        if membership is None:
            raise AuthenticationFailed("The owner of this token is no member any more.")
        with walls.within(token.tenant_id):
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
    token = _ask_for(hashed)
    if token is None or not token.user.is_active:
        raise AuthenticationFailed("This token is not valid. Make a new one.")
    for code, has_ended in (
        ("token_revoked", token.revoked_at is not None),
        ("token_expired", token.is_expired),
    ):
        if has_ended:
            raise AuthenticationFailed(f"{CODES[code].meaning} {CODES[code].fix}", code)
    return token


def _ask_for(hashed: str) -> ApiToken | None:
    tenant_id = _owner_of(hashed)
    if tenant_id is None:
        return None
    with walls.within(tenant_id):
        return TOKEN.first(tenant_id, hashed)


def _owner_of(hashed: str) -> UUID | None:
    known = _owners.get(hashed)
    if known is None:
        with walls.as_holder(hashed):
            owner = OWNER.first(hashed)
        if owner is None:
            return None
        if len(_owners) >= MOST_OWNERS:
            _owners.clear()
        known = _owners[hashed] = owner.tenant_id
    return known


def _membership(token: Any) -> Membership | None:
    values = [getattr(token, f"member_{name}") for name in MEMBER]
    if values[0] is None:
        return None
    membership = Membership.from_db(connection.alias, MEMBER, values)
    membership.user, membership.tenant = token.user, token.tenant
    return membership


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
