"""REST: the tenant's own settings."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.account import acts
from audit_site.api.abilities import Ability, CanField, always
from audit_site.api.permissions import IsAdmin
from audit_site.api.requests import actor_of, read_body, tenant_of
from audit_site.api.serializers import StrictSerializer
from audit_site.api.views import PROBLEMS, Endpoint
from audit_site.tenants.locks import lock_tenant
from audit_site.tenants.models import Tenant

ABILITIES: Final[dict[str, Ability]] = {"edit": (IsAdmin, always)}


class TenantSettingsSerializer(serializers.Serializer[Tenant]):
    id = serializers.CharField()
    name = serializers.CharField()
    timezone = serializers.CharField(help_text="Such as America/New_York.")
    currency = serializers.CharField(help_text="ISO 4217, such as USD.")
    company_limit = serializers.IntegerField(help_text="How many audITees the licence covers.")
    require_two_factor = serializers.BooleanField(
        help_text="Whether everybody signs in with two factors."
    )
    can = CanField(ABILITIES)


class TenantUpdateSerializer(StrictSerializer):
    """What is left out stays as it is."""

    only_read = frozenset({"id", "company_limit", "can"})

    name = serializers.CharField(required=False)
    timezone = serializers.CharField(required=False)
    currency = serializers.CharField(required=False)
    require_two_factor = serializers.BooleanField(required=False)


class TenantSettingsView(Endpoint):
    permission_classes = (IsAdmin,)

    def hold(self) -> None:
        lock_tenant(tenant_of(self.request))

    @extend_schema(responses={200: TenantSettingsSerializer, **PROBLEMS}, operation_id="get_tenant")
    def get(self, request: Request) -> Response:
        """Read the tenant's settings."""
        return Response(_shown(request, tenant_of(request)))

    @extend_schema(
        request=TenantUpdateSerializer,
        responses={200: TenantSettingsSerializer, **PROBLEMS},
        operation_id="update_tenant",
    )
    def patch(self, request: Request) -> Response:
        """Change name, time zone, currency, or whether two factors are required.

        Nightly syncs and figures follow another time zone, figures another currency.
        """
        values = read_body(TenantUpdateSerializer, request)
        changed = acts.change_settings(
            tenant=tenant_of(request), actor=actor_of(request), values=values
        )
        return Response(_shown(request, changed))


def _shown(request: Request, tenant: Tenant) -> Any:
    return TenantSettingsSerializer(tenant, context={"request": request}).data
