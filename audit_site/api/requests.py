"""The request of the REST API: always of one tenant."""

from __future__ import annotations

from typing import Any, cast

from rest_framework.request import Request
from rest_framework.serializers import Serializer

from audit_site.tenants.models import Membership, Tenant, User


def membership_of(request: Request) -> Membership:
    """The membership under which a request acts; authentication has put it there."""
    return cast(Membership, request.membership)  # type: ignore[attr-defined]


def tenant_of(request: Request) -> Tenant:
    return membership_of(request).tenant


def actor_of(request: Request) -> User:
    return cast(User, request.user)


def read_body(serializer: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    """The values of a body of this shape; anything else is a ValidationError."""
    body = serializer(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)
