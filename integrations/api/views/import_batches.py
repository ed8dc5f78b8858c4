"""REST: imports that a worker carries out, with a result for each company."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.api.idempotency import idempotent
from audit_site.api.parameters import query
from audit_site.api.permissions import IsMember, IsViewer, ReadOrMember
from audit_site.api.requests import read_body
from audit_site.api.views import PROBLEMS, TenantViewSet, owned_or_invalid
from audit_site.limits import IMPORTS, limited
from integrations.api.serializers.import_batches import (
    ImportBatchCreateSerializer,
    ImportBatchRowSerializer,
    ImportBatchSerializer,
    batch_bodies,
)
from integrations.connecting.selectors import list_integrations
from integrations.importing import batches, proposing
from integrations.importing.last_viewed import looked_at_all
from integrations.importing.table import Filters, Tab, condition, rows_of
from integrations.models import ImportBatch, ImportBatchRow, Integration, PsaCompanyRecord


@extend_schema_view(
    list=extend_schema(
        parameters=[query("state", enum=ImportBatch.State.values)],
        responses={200: ImportBatchSerializer(many=True), **PROBLEMS},
    ),
    retrieve=extend_schema(responses={200: ImportBatchSerializer, **PROBLEMS}),
)
class ImportBatchViewSet(TenantViewSet):
    serializer_class = ImportBatchSerializer
    permission_classes = (ReadOrMember,)

    def get_queryset(self) -> QuerySet[ImportBatch]:
        if self.is_schema:
            return ImportBatch.objects.none()
        rows = batches.batches_of(self.tenant).select_related("tenant")
        wanted = self.request.query_params.get("state") if self.action == "list" else None
        return rows.filter(state=wanted) if wanted else rows

    def list(self, request: Request) -> Response:
        """List imports, the newest first."""
        return self.paged(self.get_queryset(), lambda page: batch_bodies(request, page))

    def retrieve(self, request: Request, pk: str) -> Response:
        """Read one import: ask again and again while it is `queued` or `running`."""
        return self._shown(request, self.get_object())

    def _shown(
        self, request: Request, batch: ImportBatch, code: int = status.HTTP_200_OK
    ) -> Response:
        return Response(batch_bodies(request, [batch])[0], status=code)

    @extend_schema(
        request=ImportBatchCreateSerializer, responses={202: ImportBatchSerializer, **PROBLEMS}
    )
    @limited(IMPORTS)
    @idempotent
    def create(self, request: Request) -> Response:
        """Import up to 10,000 companies of all integrations; a worker carries it out.

        More than the licence has room for is refused as a whole (409 `licence_exceeded`).
        """
        values = read_body(ImportBatchCreateSerializer, request)
        with transaction.atomic():
            if "companies" in values:
                batch = proposing.propose_ids(
                    tenant=self.tenant, pairs=self._pairs(values["companies"]), actor=self.actor
                )
            else:
                batch = proposing.propose(
                    tenant=self.tenant, rows=self._matching(values), actor=self.actor
                )
            started = batches.start(batch=batch, actor=self.actor)
        return self._shown(request, started, status.HTTP_202_ACCEPTED)

    def _lists(self) -> Sequence[Integration]:
        return list(list_integrations(self.tenant))

    def _pairs(self, given: Iterable[Mapping[str, str]]) -> Sequence[tuple[Integration, str]]:
        """What a body names, with the integrations; another tenant's is 400 `does_not_exist`."""
        lists = {str(one.pk): one for one in self._lists()}
        return [
            (
                lists.get(one["integration"])
                or owned_or_invalid(
                    list_integrations(self.tenant), "integration", one["integration"]
                ),
                one["external_id"],
            )
            for one in given
        ]

    def _matching(self, values: Mapping[str, Any]) -> QuerySet[PsaCompanyRecord]:
        """All that match the filters of a body but its exceptions."""
        asked, lists = dict(values["all_that_match"]), self._lists()
        if integration := asked.pop("integration", None):
            lists = [owned_or_invalid(list_integrations(self.tenant), "integration", integration)]
        tab = Tab(asked.pop("tab", Tab.ADD.value))
        since = looked_at_all(self.tenant, lists, self.actor) if asked.get("new") else {}
        rows = rows_of(self.tenant, lists).filter(condition(Filters(tab, since=since, **asked)))
        excepted: dict[Any, list[str]] = {}
        for one, external_id in self._pairs(values.get("exceptions", [])):
            excepted.setdefault(one.pk, []).append(external_id)
        for pk, ids in excepted.items():
            rows = rows.exclude(Q(integration=pk, external_id__in=ids))
        return rows

    @extend_schema(
        parameters=[query("state", enum=ImportBatchRow.State.values)],
        responses={200: ImportBatchRowSerializer(many=True), **PROBLEMS},
        operation_id="list_import_batch_rows",
    )
    @action(detail=True, permission_classes=[IsViewer])
    def rows(self, request: Request, pk: str) -> Response:
        """List what becomes of each company, in the order of their names."""
        found = batches.rows_of_batch(self.get_object())
        if wanted := request.query_params.get("state"):
            found = found.filter(chosen=True, state=wanted)
        return self.listed(found, ImportBatchRowSerializer)

    @extend_schema(request=None, responses={202: ImportBatchSerializer, **PROBLEMS})
    @action(detail=True, methods=["post"], permission_classes=[IsMember])
    @limited(IMPORTS)
    @idempotent
    def retry(self, request: Request, pk: str) -> Response:
        """Try again what was not done."""
        batch = batches.retry(batch=self.get_object(), actor=self.actor)
        return self._shown(request, batch, status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={202: ImportBatchSerializer, **PROBLEMS})
    @action(detail=True, methods=["post"], permission_classes=[IsMember])
    @limited(IMPORTS)
    @idempotent
    def undo(self, request: Request, pk: str) -> Response:
        """Take back what it did: links are undone, audITees that it made are archived."""
        batch = batches.undo(batch=self.get_object(), actor=self.actor)
        return self._shown(request, batch, status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={202: ImportBatchSerializer, **PROBLEMS})
    @action(detail=True, methods=["post"], url_path="bring-back", permission_classes=[IsMember])
    @limited(IMPORTS)
    @idempotent
    def bring_back(self, request: Request, pk: str) -> Response:
        """Bring back what its undo took away: audITees that it archived, links that it undid.

        More than the licence has room for is refused as a whole (409 `licence_exceeded`).
        """
        batch = batches.bring_back(batch=self.get_object(), actor=self.actor)
        return self._shown(request, batch, status.HTTP_202_ACCEPTED)
