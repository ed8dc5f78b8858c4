"""Links to companies of PSAs: made, ended, undone, listed, previewed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.api.dry_run import DRY_RUN, rehearsable
from audit_site.api.idempotency import idempotent
from audit_site.api.parameters import invalid
from audit_site.api.permissions import IsMember, IsViewer
from audit_site.api.requests import read_body
from audit_site.api.views import PROBLEMS, find_uuid, owned_or_invalid
from audit_site.limits import LOOKUPS, limited
from companies.api.serializers import (
    CompanySerializer,
    LinkWriteSerializer,
)
from companies.api.views.base import CompanyViews
from companies.models import Company
from integrations.api.serializers.links import (
    LinkPreviewSerializer,
    PastLinkSerializer,
    UnlinkSerializer,
)
from integrations.links.linking import link_company, unlink_company
from integrations.links.previewing import start_preview
from integrations.links.undoing import undo_link
from integrations.models import CompanyLink, LinkPreview
from integrations.models.links import CompanyLinkQuerySet


class LinkActions(CompanyViews):
    """What is done about the links of an audITee."""

    @extend_schema(
        parameters=[DRY_RUN],
        request=LinkWriteSerializer,
        responses={200: CompanySerializer, **PROBLEMS},
    )
    @action(detail=True, methods=["post"], permission_classes=[IsMember])
    @rehearsable
    @idempotent
    def link(self, request: Request, pk: str) -> Response:
        """Link an audITee to a company of a PSA. It takes no place of the licence."""
        company = self.get_object()
        values = read_body(LinkWriteSerializer, request)
        link_company(
            company=company,
            integration=self._integration(values["integration"]),
            external_id=values["external_id"],
            actor=self.actor,
        )
        return Response(self._fresh(company))

    @extend_schema(
        parameters=[DRY_RUN],
        request=UnlinkSerializer,
        responses={200: CompanySerializer, **PROBLEMS},
    )
    @action(detail=True, methods=["post"], permission_classes=[IsMember])
    @rehearsable
    @idempotent
    def unlink(self, request: Request, pk: str) -> Response:
        """End the link: all stays as it was last seen, and becomes yours to edit.

        With `undo` it is as if the link had never been: name, type, contacts and primary contact
        are as before, and what came with it counts on no day.
        """
        company, values = self.get_object(), read_body(UnlinkSerializer, request)
        if values["undo"]:
            undo_link(company=company, actor=self.actor, link_id=self._past_link(company, values))
        elif "link" in values:
            raise invalid("link", "A link is named only to be undone.")
        else:
            unlink_company(company=company, actor=self.actor)
        return Response(self._fresh(company))

    def _past_link(self, company: Company, values: dict[str, Any]) -> UUID | None:
        if "link" not in values:
            return None
        return owned_or_invalid(self._links(company), "link", values["link"]).pk

    def _links(self, company: Company) -> CompanyLinkQuerySet:
        return CompanyLink.objects.for_tenant(self.tenant).filter(company=company)

    @extend_schema(responses={200: PastLinkSerializer(many=True), **PROBLEMS})
    @action(detail=True, permission_classes=[IsViewer])
    def links(self, request: Request, pk: str) -> Response:
        """List its links, the newest first: the one in force, ended ones and undone ones."""
        rows = self._links(self.get_object()).undoable_first()
        rows = rows.select_related("integration", "linked_by").order_by("-id")
        return self.listed(rows, PastLinkSerializer)

    @extend_schema(
        request=LinkWriteSerializer,
        responses={202: LinkPreviewSerializer, **PROBLEMS},
        operation_id="create_link_preview",
    )
    @action(
        detail=True,
        methods=["post"],
        url_path="link/preview",
        url_name="link-previews",
        permission_classes=[IsMember],
    )
    @limited(LOOKUPS)
    @idempotent
    def preview_link(self, request: Request, pk: str) -> Response:
        """Work out what a link would change, money included: the PSA is asked by a worker.

        The same preview that is under way is joined. It is kept for a day.
        """
        company, values = self.get_object(), read_body(LinkWriteSerializer, request)
        preview = start_preview(
            company=company,
            integration=self._integration(values["integration"]),
            external_id=values["external_id"],
            actor=self.actor,
        )
        body = LinkPreviewSerializer(preview, context={"request": request}).data
        return Response(body, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        responses={200: LinkPreviewSerializer, **PROBLEMS}, operation_id="get_link_preview"
    )
    @action(
        detail=True,
        url_path="link/preview/(?P<preview_id>[^/]+)",
        url_name="link-preview",
        permission_classes=[IsViewer],
    )
    def link_preview(self, request: Request, pk: str, preview_id: str) -> Response:
        """Read a preview; ask again until its state is `done`."""
        rows = LinkPreview.objects.for_tenant(self.tenant).filter(company=self.get_object())
        preview = get_object_or_404(rows.select_related("company"), pk=find_uuid(preview_id))
        return Response(LinkPreviewSerializer(preview, context={"request": request}).data)
