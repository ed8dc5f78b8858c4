"""The answer to "who am I?": it knows the licence, so it belongs to the roof."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.api.requests import membership_of
from audit_site.api.views import PROBLEMS, Endpoint
from audit_site.tenants.models import Role, Scope, Tenant, User
from companies.services import licence


class MeUserSerializer(serializers.Serializer[User]):
    id = serializers.CharField()
    email = serializers.EmailField()
    name = serializers.CharField()


class MeTenantSerializer(serializers.Serializer[Tenant]):
    id = serializers.CharField()
    name = serializers.CharField()
    timezone = serializers.CharField(help_text="Such as America/New_York.")
    currency = serializers.CharField(help_text="ISO 4217, such as USD.")
    company_limit = serializers.IntegerField()
    companies_used = serializers.SerializerMethodField()

    def get_companies_used(self, tenant: Tenant) -> int:
        return licence(tenant).used


class MeSerializer(serializers.Serializer[Any]):
    user = MeUserSerializer()
    role = serializers.ChoiceField(Role.choices)
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices))
    tenant = MeTenantSerializer()


class MeView(Endpoint):
    @extend_schema(responses={200: MeSerializer, **PROBLEMS}, operation_id="get_me")
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
