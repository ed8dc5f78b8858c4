"""The MRR of a company, and what was known of it."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from agreements.api.parameters import KNOWN_AT, read_as_of, read_known_at
from agreements.api.serializers.figures import CompanyMrrSerializer
from agreements.api.serializers.versions import BookVersionSerializer
from agreements.as_known import company_as_known, known_etag
from agreements.figures import company_figure
from agreements.history import shown_versions, versions_of
from agreements.versions import company_etag
from audit_site.api.conditional import conditional
from audit_site.api.parameters import AS_OF
from audit_site.api.permissions import IsViewer
from audit_site.api.views import PROBLEMS, find_uuid
from companies.api.views.base import CompanyViews


class FigureActions(CompanyViews):
    """What is asked about the MRR of an audITee."""

    @extend_schema(
        parameters=[AS_OF, KNOWN_AT],
        responses={200: CompanyMrrSerializer, 304: None, **PROBLEMS},
    )
    @action(detail=True, permission_classes=[IsViewer])
    def mrr(self, request: Request, pk: str) -> HttpResponse:
        """Tell its MRR on a day, row by row: the ledger adds up to the totals."""
        company_id, as_of, at = find_uuid(pk), read_as_of(request), read_known_at(request)

        def build() -> Any:
            company = self.get_object()
            figure = company_as_known(company, at, as_of) if at else company_figure(company, as_of)
            return CompanyMrrSerializer(figure, context={"company": company}).data

        version = company_etag(self.tenant, company_id)
        if version is None:
            raise Http404
        if at is not None:
            version = known_etag(self.tenant, at, company_id)
        return conditional(request, version, build, keeps=at is None)

    @extend_schema(responses={200: BookVersionSerializer(many=True), **PROBLEMS})
    @action(detail=True, permission_classes=[IsViewer])
    def versions(self, request: Request, pk: str) -> Response:
        """List what was known of its MRR and since when, newest first, with what changed it."""
        company = self.get_object()

        def shown(page: Any) -> Any:
            versions: Any = shown_versions(company, page)
            return BookVersionSerializer(versions, many=True).data

        return self.paged(versions_of(company), shown)
