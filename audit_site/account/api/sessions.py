"""REST: where the caller is signed in."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.api.abilities import Ability, CanField, always
from audit_site.api.permissions import ReadOrOwn
from audit_site.api.views import PROBLEMS, TenantViewSet
from audit_site.tenants.devices import device_name
from audit_site.tenants.models import BrowserSession
from audit_site.tenants.own_sessions import sign_out_elsewhere, sign_out_of
from audit_site.tenants.sessions import current_id, sessions_of


class SessionSerializer(serializers.Serializer[BrowserSession]):
    """A browser in which the caller is signed in."""

    abilities: ClassVar[dict[str, Ability]] = {"end": (ReadOrOwn, always)}

    id = serializers.CharField(source="pk", help_text="Not the key that the browser holds.")
    device = serializers.SerializerMethodField(help_text="Such as “Chrome on Windows”.")
    ip = serializers.CharField(allow_null=True, help_text="Where it was used from last.")
    signed_in_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField(help_text="Noted at most every five minutes.")
    current = serializers.SerializerMethodField(
        help_text="Whether this request comes with it; never with a token."
    )
    can = CanField(abilities)

    def get_device(self, row: BrowserSession) -> str:
        return device_name(row.user_agent)

    def get_current(self, row: BrowserSession) -> bool:
        return bool(row.pk == current_id(self.context["request"]._request))


@extend_schema_view(
    list=extend_schema(operation_id="list_sessions", description="List them, last seen first."),
    retrieve=extend_schema(operation_id="get_session", description="Read one."),
)
class SessionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantViewSet):
    """Where the caller is signed in, whatever the tenant."""

    serializer_class = SessionSerializer
    permission_classes = (ReadOrOwn,)

    def get_queryset(self) -> QuerySet[BrowserSession]:
        if self.is_schema:
            return BrowserSession.objects.none()
        return sessions_of(self.actor)

    def get_object(self) -> BrowserSession:
        found = self.get_queryset().filter(pk=self.kwargs["pk"]).first()
        if found is None:
            raise Http404
        return found

    @extend_schema(request=None, responses={204: None, **PROBLEMS}, operation_id="end_session")
    def destroy(self, request: Request, pk: str) -> Response:
        """Sign out of that browser: its next request is a stranger's."""
        if not sign_out_of(self.actor, pk):
            raise Http404
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        request=None, responses={204: None, **PROBLEMS}, operation_id="end_other_sessions"
    )
    def destroy_others(self, request: Request) -> Response:
        """Sign out everywhere but here; with a token, everywhere."""
        sign_out_elsewhere(self.actor, but=current_id(request._request))
        return Response(status=status.HTTP_204_NO_CONTENT)
