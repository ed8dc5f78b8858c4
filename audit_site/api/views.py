"""What every viewset shares."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import Http404
from rest_framework import serializers
from rest_framework.viewsets import GenericViewSet

from audit_site.api.requests import actor_of, tenant_of
from audit_site.api.serializers import ProblemSerializer
from audit_site.tenants.models import Tenant, User

ModelT = TypeVar("ModelT", bound=Model)
#: The errors every endpoint may answer with, for the schema.
PROBLEMS: dict[Any, Any] = {
    (status, "application/problem+json"): ProblemSerializer for status in (400, 401, 403, 404)
}


class TenantViewSet(GenericViewSet[Any]):
    """A viewset over rows of the request's tenant."""

    lookup_value_regex = "[^/]+"
    throttle_scope: str | None = None

    @property
    def tenant(self) -> Tenant:
        return tenant_of(self.request)

    @property
    def actor(self) -> User:
        return actor_of(self.request)

    @property
    def is_schema(self) -> bool:
        """Whether only the schema is being drawn: there is no tenant then."""
        return bool(getattr(self, "swagger_fake_view", False))

    def get_object(self) -> Any:
        find_uuid(self.kwargs[self.lookup_field])
        return super().get_object()


def find_uuid(text: str) -> UUID:
    """Read an id of a path; one that is no id is not found either."""
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None


def owned_or_invalid(rows: QuerySet[ModelT], field: str, value: str) -> ModelT:
    """Find what a body refers to among the tenant's own rows, else 400 `does_not_exist`."""
    try:
        found = rows.filter(pk=UUID(str(value))).first()
    except ValueError:
        found = None
    if found is None:
        error = serializers.ErrorDetail("There is no such thing.", code="does_not_exist")
        raise serializers.ValidationError({field: [error]})
    return found
