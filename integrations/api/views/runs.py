"""REST: sync runs and their events."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.api.idempotency import idempotent
from audit_site.api.parameters import query, read_id
from audit_site.api.permissions import IsMember, IsViewer
from audit_site.api.views import PROBLEMS, TenantViewSet, find_uuid
from integrations.api.serializers.runs import (
    SyncEventSerializer,
    SyncRunSerializer,
    run_bodies,
    run_body,
)
from integrations.models import SyncRun
from integrations.runs import starting
from integrations.runs.selectors import SHOWN_RUN, list_events, list_sync_runs


@extend_schema_view(
    list=extend_schema(
        parameters=[
            query("integration"),
            query("company"),
            query("state", enum=SyncRun.State.values),
        ],
        responses={200: SyncRunSerializer(many=True), **PROBLEMS},
    ),
    retrieve=extend_schema(responses={200: SyncRunSerializer, **PROBLEMS}),
)
class SyncRunViewSet(TenantViewSet):
    serializer_class = SyncRunSerializer
    permission_classes = (IsViewer,)

    def get_queryset(self) -> QuerySet[SyncRun]:
        if self.is_schema:
            return SyncRun.objects.none()
        if self.action != "list":
            return list_sync_runs(self.tenant)
        wanted = self.request.query_params
        return list_sync_runs(
            self.tenant,
            state=wanted.get("state"),
            integration=read_id(self.request, "integration"),
            company=read_id(self.request, "company"),
        )

    def list(self, request: Request) -> Response:
        """List sync runs, the newest first."""
        return self.paged(self.get_queryset(), lambda page: run_bodies(request, page))

    def retrieve(self, request: Request, pk: str) -> Response:
        """Read one sync run: ask again and again while it is `queued` or `running`."""
        run = SHOWN_RUN.first(self.tenant.pk, find_uuid(pk))
        if run is None:
            raise Http404
        return Response(run_body(request, run))

    @extend_schema(request=None, responses={202: SyncRunSerializer, **PROBLEMS})
    @action(detail=True, methods=["post"], permission_classes=[IsMember])
    @idempotent
    def cancel(self, request: Request, pk: str) -> Response:
        """Ask a run to stop; one that a worker holds stops at its next page."""
        run = starting.cancel_sync_run(run=self.get_object(), actor=self.actor)
        return Response(run_body(request, run), status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses={200: SyncEventSerializer(many=True), **PROBLEMS})
    @action(detail=True, permission_classes=[IsViewer])
    def events(self, request: Request, pk: str) -> Response:
        """List what a run did to each record, in order."""
        events = list_events(self.get_object())
        return self.listed(events, SyncEventSerializer)
