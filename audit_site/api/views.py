"""What every viewset shares, and the answer to "who am I?"."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from audit_site.api.requests import actor_of, membership_of, tenant_of
from audit_site.api.serializers import ProblemSerializer
from audit_site.tenants.models import Role, Scope, Tenant, User
from companies.services import licence

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


class MeUserSerializer(serializers.Serializer[User]):
    id = serializers.CharField()
    email = serializers.EmailField()
    name = serializers.CharField()


class MeTenantSerializer(serializers.Serializer[Tenant]):
    id = serializers.CharField()
    name = serializers.CharField()
    timezone = serializers.CharField()
    company_limit = serializers.IntegerField()
    companies_used = serializers.SerializerMethodField()

    def get_companies_used(self, tenant: Tenant) -> int:
        return licence(tenant).used


class MeSerializer(serializers.Serializer[Any]):
    user = MeUserSerializer()
    role = serializers.ChoiceField(Role.choices)
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices))
    tenant = MeTenantSerializer()


class MeView(APIView):
    @extend_schema(responses={200: MeSerializer, **PROBLEMS}, operation_id="me")
    def get(self, request: Request) -> Response:
        """Tell who asks, in which tenant, and what they may do."""
        membership = membership_of(request)
        body = MeSerializer(
            {
                "user": membership.user,
                "role": membership.role,
                "scopes": sorted(request.scopes, key=Scope.values.index),  # type: ignore[attr-defined]
                "tenant": membership.tenant,
            }
        )
        return Response(body.data)
