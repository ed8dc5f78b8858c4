"""REST: the audit trail, to read and to take away; nobody can change it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.account.audit_downloads import trail_csv
from audit_site.api.parameters import invalid, query
from audit_site.api.permissions import IsAdmin
from audit_site.api.serializers import ValuesField, with_from
from audit_site.api.views import PROBLEMS, TenantViewSet
from audit_site.tenants.audit_trail import TrailFilter, list_events, read_end, read_start
from audit_site.tenants.models import AuditEvent


class NullableText(serializers.CharField):
    """A column that is empty where there is nothing to say, and null here."""

    def __init__(self, **how: Any) -> None:
        super().__init__(allow_null=True, **how)

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(value) if value else None


class NullableChoice(serializers.ChoiceField):
    """As `NullableText`, for a column with choices."""

    def __init__(self, choices: Any) -> None:
        super().__init__(choices, allow_null=True)

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(value) if value else None


class AuditActorSerializer(serializers.Serializer[AuditEvent]):
    """Who did it, as they were called then."""

    type = serializers.ChoiceField(AuditEvent.Actor.choices, source="actor_type")
    id = NullableText(source="actor_id", help_text="Of the person, or of the token.")
    name = serializers.CharField(source="actor_name")


class AuditFromSerializer(serializers.Serializer[AuditEvent]):
    """From where; null = it did not come over the network, or is older than the note of it."""

    ip = NullableText()
    user_agent = NullableText()
    door = NullableChoice(AuditEvent.Door.choices)


class AuditObjectSerializer(serializers.Serializer[AuditEvent]):
    """What it was done to, as it was called then."""

    type = serializers.CharField(source="object_type")
    id = serializers.CharField(source="object_id")
    name = serializers.CharField(source="object_name")


class AuditEventSerializer(serializers.Serializer[AuditEvent]):
    """An act: who, from where, what, and what was before and after it."""

    id = serializers.CharField()
    at = serializers.DateTimeField()
    actor = AuditActorSerializer(source="*")
    action = serializers.CharField(help_text="Such as integration.disconnected.")
    object = AuditObjectSerializer(source="*")
    before = ValuesField(allow_null=True, help_text="Of each field that changed; null = nothing.")
    after = ValuesField(allow_null=True)
    request_id = NullableText(help_text="The `X-Request-Id` of the request that led to it.")

    def get_fields(self) -> dict[str, Any]:
        return with_from(super().get_fields(), "action", AuditFromSerializer(source="*"))


class CsvRenderer(BaseRenderer):
    """Stands for `Accept: text/csv`, which is answered by a stream and not rendered."""

    media_type, format = "text/csv", "csv"


class AuditEventViewSet(TenantViewSet):
    serializer_class = AuditEventSerializer
    permission_classes = (IsAdmin,)

    def get_queryset(self) -> QuerySet[AuditEvent]:
        if self.is_schema:
            return AuditEvent.objects.none()
        return list_events(self.tenant, TrailFilter())

    def get_renderers(self) -> list[Any]:
        of_list = [CsvRenderer()] if self.action == "list" and not self.is_schema else []
        return [*super().get_renderers(), *of_list]

    @extend_schema(
        parameters=[
            query("actor", description="The id of a person or a token, or a type of actor."),
            query("action", description="Such as integration.disconnected."),
            query("object", description="An id, a type, or a part of a name."),
            query("from", description="A day of the account's zone, or a moment (RFC 3339)."),
            query("to", description="The last day that is in, or the last moment."),
        ],
        responses={
            (200, "application/json"): AuditEventSerializer(many=True),
            (200, "text/csv"): OpenApiTypes.STR,
            **PROBLEMS,
        },
        operation_id="list_audit_events",
    )
    def list(self, request: Request) -> HttpResponseBase:
        """List what was done, newest first; with `Accept: text/csv` all of it as a download."""
        asked = self._asked(request)
        if request.accepted_renderer.format == CsvRenderer.format:
            return trail_csv(self.tenant, self.actor, asked)
        events = list_events(self.tenant, asked)
        return self.paged(events, lambda page: AuditEventSerializer(page, many=True).data)

    @extend_schema(
        responses={200: AuditEventSerializer, **PROBLEMS}, operation_id="get_audit_event"
    )
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(AuditEventSerializer(self.get_object()).data)

    def _asked(self, request: Request) -> TrailFilter:
        given = request.query_params
        asked = TrailFilter(
            actor=given.get("actor", ""),
            actions=tuple(filter(None, [given.get("action")])),
            object=given.get("object", ""),
            start=self._moment(request, "from"),
            end=self._moment(request, "to"),
        )
        if asked.is_backwards:
            raise invalid("to", "It lies before `from`: the first of the two comes first.")
        return asked

    def _moment(self, request: Request, name: str) -> datetime | None:
        read = read_start if name == "from" else read_end
        try:
            return read(request.query_params.get(name, ""), self.tenant)
        except (ValueError, OverflowError):
            message = "Write a day as 2026-06-15, or a moment as 2026-06-15T08:30:00Z."
            raise invalid(name, message) from None
