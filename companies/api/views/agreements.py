"""The agreements of a company, and those that people type."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from agreements import typed
from agreements.api.parameters import KNOWN_AT, read_known_at
from agreements.api.serializers.agreements import (
    AgreementSerializer,
    TypedUpdateSerializer,
    TypedWriteSerializer,
    agreement_body,
    changed_agreement,
)
from agreements.as_known import company_as_known
from agreements.figures import AgreementRow, company_figure
from agreements.models import Agreement
from agreements.typed_as_known import add_details
from audit_site.api.idempotency import idempotent
from audit_site.api.listed import listed_page
from audit_site.api.permissions import ReadOrMember
from audit_site.api.requests import read_body
from audit_site.api.views import PROBLEMS, find_uuid
from companies.api.views.base import CompanyViews
from companies.models import Company


def _place(row: AgreementRow) -> str:
    return str(row.agreement.pk)


class AgreementActions(CompanyViews):
    """What is asked and done about the agreements of an audITee."""

    @extend_schema(
        parameters=[KNOWN_AT], responses={200: AgreementSerializer(many=True), **PROBLEMS}
    )
    @action(detail=True, permission_classes=[ReadOrMember])
    def agreements(self, request: Request, pk: str) -> Response:
        """List its agreements with their MRR as of today, and why some don't count.

        As known at a moment they are those that were known then, with their MRR of the day that it
        was; nothing can be done with them.
        """
        company, at = self.get_object(), read_known_at(request)
        if at is not None:
            return self._agreements_as_known(request, company, at)
        rows = {row.agreement.pk: row for row in company_figure(company).agreements}
        return self.paged(
            company.agreements.filter(tenant=self.tenant).order_by("id"),
            lambda page: self._agreements([rows[agreement.pk] for agreement in page]),
        )

    def _agreements_as_known(self, request: Request, company: Company, at: datetime) -> Response:
        rows = company_as_known(company, at).agreements
        page = listed_page(request, sorted(rows, key=_place), _place)
        add_details(company, [row.agreement for row in page.items], at)
        return Response(page.body(self._agreements(page.items)))

    def _agreements(self, rows: Sequence[AgreementRow]) -> Any:
        return AgreementSerializer(rows, many=True, context={"request": self.request}).data

    @extend_schema(
        request=TypedWriteSerializer,
        responses={201: AgreementSerializer, **PROBLEMS},
        operation_id="create_agreement",
    )
    @agreements.mapping.post
    @idempotent
    def add_agreement(self, request: Request, pk: str) -> Response:
        """Type an agreement in that no PSA has. Set aside where the audITee is linked."""
        company = self.get_object()
        values = read_body(TypedWriteSerializer, request)
        agreement = typed.add_agreement(company=company, actor=self.actor, values=values)
        body = agreement_body(request, agreement)
        return Response(body, status=status.HTTP_201_CREATED)

    @extend_schema(
        responses={200: AgreementSerializer, **PROBLEMS}, operation_id="get_company_agreement"
    )
    @action(
        detail=True,
        url_path="agreements/(?P<agreement_id>[^/]+)",
        url_name="agreement",
        permission_classes=[ReadOrMember],
    )
    def agreement(self, request: Request, pk: str, agreement_id: str) -> Response:
        """Read one of its agreements; the same as at `/agreements/{id}/`."""
        return Response(agreement_body(request, self._agreement(agreement_id)))

    @extend_schema(
        request=TypedUpdateSerializer,
        responses={200: AgreementSerializer, **PROBLEMS},
        operation_id="update_company_agreement",
    )
    @agreement.mapping.patch
    def change_agreement(self, request: Request, pk: str, agreement_id: str) -> Response:
        """Change one that was typed in here."""
        return changed_agreement(request, self._agreement(agreement_id))

    @extend_schema(responses={204: None, **PROBLEMS}, operation_id="delete_company_agreement")
    @agreement.mapping.delete
    def remove_agreement(self, request: Request, pk: str, agreement_id: str) -> Response:
        """Remove one that was typed in here, from all days; what it said is kept."""
        typed.remove_agreement(agreement=self._agreement(agreement_id), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _agreement(self, agreement_id: str) -> Agreement:
        rows = Agreement.objects.for_tenant(self.tenant).filter(company=self.get_object())
        rows = rows.select_related("tenant", "company__tenant", "integration")
        return get_object_or_404(rows, pk=find_uuid(agreement_id))
