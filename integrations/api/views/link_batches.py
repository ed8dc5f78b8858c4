"""REST: links that were made together, undoing all of them, and bringing them back."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.api.idempotency import idempotent
from audit_site.api.permissions import IsMember, IsViewer, ReadOrMember
from audit_site.api.views import PROBLEMS, TenantViewSet
from audit_site.limits import IMPORTS, limited
from integrations.api.serializers.link_batches import (
    BatchLinkSerializer,
    LinkBatchSerializer,
    WholeLinkBatchSerializer,
)
from integrations.matching.batches import batches_of, links_of_batch, undo_batch
from integrations.matching.bringing_back import bring_back
from integrations.models import LinkBatch


class LinkBatchViewSet(TenantViewSet):
    serializer_class = LinkBatchSerializer
    permission_classes = (ReadOrMember,)

    def get_queryset(self) -> QuerySet[LinkBatch]:
        if self.is_schema:
            return LinkBatch.objects.none()
        return batches_of(self.tenant)

    def _whole(self, batch: LinkBatch) -> object:
        return WholeLinkBatchSerializer(batch, context={"request": self.request}).data

    @extend_schema(responses={200: LinkBatchSerializer(many=True), **PROBLEMS})
    def list(self, request: Request) -> Response:
        """List what was confirmed together, the newest first."""
        return self.listed(self.get_queryset().defer("rejected"), LinkBatchSerializer)

    @extend_schema(responses={200: WholeLinkBatchSerializer, **PROBLEMS})
    def retrieve(self, request: Request, pk: str) -> Response:
        """Read what came of one: ask again while its undo is `running`."""
        return Response(self._whole(self.get_object()))

    @extend_schema(
        responses={200: BatchLinkSerializer(many=True), **PROBLEMS},
        operation_id="list_link_batch_links",
    )
    @action(detail=True, permission_classes=[IsViewer])
    def links(self, request: Request, pk: str) -> Response:
        """List its links, undone ones too."""
        return self.listed(links_of_batch(self.get_object()), BatchLinkSerializer)

    @extend_schema(request=None, responses={202: WholeLinkBatchSerializer, **PROBLEMS})
    @action(detail=True, methods=["post"], permission_classes=[IsMember])
    @idempotent
    def undo(self, request: Request, pk: str) -> Response:
        """Undo each of its links, as if it had never been; a worker does it."""
        batch = self.get_object()
        undo_batch(batch=batch, actor=self.actor)
        return Response(self._whole(self.get_object()), status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={200: WholeLinkBatchSerializer, **PROBLEMS})
    @action(detail=True, methods=["post"], url_path="bring-back", permission_classes=[IsMember])
    @limited(IMPORTS)
    @idempotent
    def bring_back(self, request: Request, pk: str) -> Response:
        """Make the links again that its undo undid; what can't be made again says why."""
        bring_back(batch=self.get_object(), actor=self.actor)
        return Response(self._whole(self.get_object()))
