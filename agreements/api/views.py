"""REST: MRR of the tenant, series, movement, and what people decided."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from agreements.api.parameters import (
    COMPANY,
    KNOWN_AT,
    KNOWN_FROM,
    KNOWN_TO,
    read_as_of,
    read_knowings,
    read_known_at,
    read_months,
    read_stretch,
)
from agreements.api.serializers.agreements import (
    AgreementSerializer,
    ListedAgreementSerializer,
    TypedUpdateSerializer,
    agreement_body,
    changed_agreement,
)
from agreements.api.serializers.choices import (
    AgreementChoicesSerializer,
    AgreementChoicesWriteSerializer,
    LineChoicesSerializer,
    LineChoicesWriteSerializer,
)
from agreements.api.serializers.figures import TenantMrrSerializer, tenant_body
from agreements.api.serializers.movements import (
    MovementSerializer,
    SeriesSerializer,
    shown_bridge,
    shown_restated_bridge,
)
from agreements.as_known import known_books, known_etag, months_as_known, tenant_as_known
from agreements.decisions import choose, lock_choices
from agreements.figures import months_of, movement_of, tenant_figure, tenant_parts
from agreements.models import Agreement, AgreementLine, ChoiceRecord
from agreements.mrr.doubts import DOUBTS
from agreements.restated import restated_movement
from agreements.stored_mrr import settled_state
from agreements.to_check import checked, ended_without_renewal, in_doubt, of_active
from agreements.typed import remove_agreement
from agreements.versions import tenant_etag
from audit_site.api.conditional import conditional
from audit_site.api.parameters import AS_OF, query, read_id
from audit_site.api.permissions import ReadOrMember
from audit_site.api.requests import read_body, tenant_of
from audit_site.api.views import PROBLEMS, Endpoint, TenantViewSet, all_owned_or_invalid
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.runs.selectors import count_ended_unread


class TenantMrrView(Endpoint):
    @extend_schema(
        parameters=[AS_OF, KNOWN_AT],
        responses={200: TenantMrrSerializer, 304: None, **PROBLEMS},
        operation_id="get_mrr",
    )
    def get(self, request: Request) -> HttpResponse:
        """Tell the MRR of all active companies together, by currency."""
        tenant, as_of, at = tenant_of(request), read_as_of(request), read_known_at(request)
        if at is not None:
            return conditional(
                request,
                known_etag(tenant, at),
                lambda: TenantMrrSerializer(tenant_as_known(tenant, at, as_of)).data,
            )
        state = settled_state(tenant)
        return conditional(
            request,
            tenant_etag(tenant, "mrr", state=state),
            lambda: tenant_body(tenant_figure(tenant, as_of, state=state)),
            keeps=True,
        )


def _unread(tenant: Tenant, company_id: UUID | None) -> dict[str, int]:
    """What is said of the past while a first sync has not read it."""
    count = count_ended_unread(tenant, company_id)
    return {"ended_unread": count} if count else {}


class SeriesView(Endpoint):
    @extend_schema(
        parameters=[
            OpenApiParameter("from", OpenApiTypes.STR, required=True, description="2026-01"),
            OpenApiParameter("to", OpenApiTypes.STR, required=True, description="2026-12"),
            COMPANY,
            KNOWN_AT,
        ],
        responses={200: SeriesSerializer, 304: None, **PROBLEMS},
        operation_id="get_mrr_series",
    )
    def get(self, request: Request) -> HttpResponse:
        """Tell what each calendar month earns, by currency; at most 120 months."""
        tenant = tenant_of(request)
        first, months = read_months(request)
        company_id, at = read_id(request, "company"), read_known_at(request)
        unread = {} if at is not None else _unread(tenant, company_id)

        def build() -> Any:
            said = dict[str, Any](unread)
            if at is not None:
                known = known_books(tenant, at, company_id, with_shown=False)
                recognized = months_as_known(known, first, months)
                said = {"known_at": at, "is_known": known.is_known}
            else:
                recognized = months_of(tenant_parts(tenant, company_id=company_id), first, months)
            ends = {"from": recognized[0]["month"], "to": recognized[-1]["month"]}
            return SeriesSerializer({**ends, "months": recognized, **said}).data

        if at is not None:
            return conditional(request, known_etag(tenant, at, company_id), build)
        return conditional(request, tenant_etag(tenant, "series", *unread.values()), build)


class MovementView(Endpoint):
    @extend_schema(
        parameters=[
            OpenApiParameter("from", OpenApiTypes.DATE, required=True),
            OpenApiParameter("to", OpenApiTypes.DATE, required=True),
            COMPANY,
            KNOWN_AT,
            KNOWN_FROM,
            KNOWN_TO,
        ],
        responses={200: MovementSerializer, 304: None, **PROBLEMS},
        operation_id="get_mrr_movement",
    )
    def get(self, request: Request) -> HttpResponse:
        """Bridge the MRR of one day to that of a later one, by currency and company.

        What became known between `known_from` and `known_to` is `restated`, and no movement.
        """
        tenant = tenant_of(request)
        start, end = read_stretch(request)
        company_id = read_id(request, "company")
        known_from, known_to = read_knowings(request)
        if known_from is not None:
            return self._restated(request, (start, end), company_id, (known_from, known_to))

        unread = _unread(tenant, company_id)

        def build() -> Any:
            parts = tenant_parts(tenant, company_id=company_id)
            bridges = [shown_bridge(bridge) for bridge in movement_of(parts, start, end)]
            said = {"from": start, "to": end, "currencies": bridges, **unread}
            return MovementSerializer(said).data

        return conditional(request, tenant_etag(tenant, "movement", *unread.values()), build)

    def _restated(
        self,
        request: Request,
        days: tuple[date, date],
        company_id: UUID | None,
        knowings: tuple[datetime, datetime | None],
    ) -> HttpResponse:
        tenant, (known_from, known_to) = tenant_of(request), knowings

        def build() -> Any:
            after = known_books(tenant, known_to, company_id, with_shown=False)
            before = after
            if known_from != known_to:
                before = known_books(tenant, known_from, company_id, with_shown=False)
            bridges = restated_movement(tenant, before, after, *days)
            said = {"from": days[0], "to": days[1], "known_from": known_from, "known_to": after.at}
            shown = [shown_restated_bridge(bridge) for bridge in bridges]
            return MovementSerializer({**said, "currencies": shown}).data

        if known_to is None:
            return conditional(request, tenant_etag(tenant, "movement"), build)
        return conditional(request, known_etag(tenant, known_to, company_id), build)


WITHOUT_RENEWAL = "without_renewal"
#: How many decisions of its history an answer holds.
MOST_RECORDS = 200


class AgreementViewSet(TenantViewSet):
    """Agreements, and choices about them. A PSA's are the PSA's; what was typed in can change."""

    permission_classes = (ReadOrMember,)
    serializer_class = AgreementChoicesSerializer

    def get_queryset(self) -> Any:
        if self.is_schema:
            return Agreement.objects.none()
        rows = Agreement.objects.for_tenant(self.tenant)
        return rows.select_related("tenant", "company__tenant", "integration", "choices")

    @extend_schema(
        parameters=[
            COMPANY,
            query("warning", enum=DOUBTS, description="Only those that this is doubtful of."),
            query(
                "ended",
                enum=(WITHOUT_RENEWAL,),
                description="Only those that ended within the last 92 days with none replacing "
                "them.",
            ),
        ],
        responses={200: ListedAgreementSerializer(many=True), **PROBLEMS},
    )
    def list(self, request: Request) -> Response:
        """List the agreements of all active audITees, with what is doubtful of them."""
        rows = self._wanted(request.query_params)
        if company := read_id(request, "company"):
            rows = rows.filter(company=company)
        page = self.paginate_queryset(rows.order_by("id"))
        found = checked(self.tenant, list(page or []))
        shown = ListedAgreementSerializer(found, many=True, context={"request": request})
        return self.get_paginated_response(shown.data)

    def _wanted(self, wanted: QueryDict) -> QuerySet[Agreement]:
        rows = ended_without_renewal(self.tenant) if wanted.get("ended") else of_active(self.tenant)
        warning = wanted.get("warning", "")
        return in_doubt(rows, warning) if warning else rows

    def hold(self) -> None:
        agreement = self.get_object()
        rows = Company.objects.for_tenant(self.tenant).select_for_update(no_key=True)
        rows.filter(pk=agreement.company_id).first()
        lock_choices(agreement)

    @extend_schema(responses={200: AgreementSerializer, **PROBLEMS})
    def retrieve(self, request: Request, pk: str) -> Response:
        """Read one agreement with its MRR as of today."""
        return Response(agreement_body(request, self.get_object()))

    @extend_schema(request=TypedUpdateSerializer, responses={200: AgreementSerializer, **PROBLEMS})
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change an agreement that was typed in here."""
        return changed_agreement(request, self.get_object())

    @extend_schema(responses={204: None, **PROBLEMS})
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove an agreement that was typed in here, from all days; what it said is kept."""
        remove_agreement(agreement=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        methods=["GET"], request=None, responses={200: AgreementChoicesSerializer, **PROBLEMS}
    )
    @extend_schema(
        methods=["PATCH"],
        request=AgreementChoicesWriteSerializer,
        responses={200: AgreementChoicesSerializer, **PROBLEMS},
    )
    @action(detail=True, methods=["get", "patch"], url_path="choices")
    def choices(self, request: Request, pk: str) -> Response:
        """Read or change what people decided about an agreement; the history is kept."""
        if request.method == "PATCH":
            self._choose(self.get_object(), read_body(AgreementChoicesWriteSerializer, request))
        agreement = self.get_object()
        records = ChoiceRecord.objects.for_tenant(self.tenant).filter(agreement_pk=agreement.pk)
        context = {"records": newest(records.filter(line_pk=None))}
        return Response(AgreementChoicesSerializer(agreement, context=context).data)

    def _choose(self, agreement: Agreement, values: dict[str, Any]) -> None:
        note = values.pop("note", "")
        if "renews" in values:
            rows = Agreement.objects.for_tenant(self.tenant)
            values["renews"] = all_owned_or_invalid(rows, "renews", values["renews"] or ())
        choose(agreement=agreement, actor=self.actor, changes=values, note=note)


class AgreementLineViewSet(TenantViewSet):
    """Choices about lines of agreements."""

    permission_classes = (ReadOrMember,)
    serializer_class = LineChoicesSerializer

    def get_queryset(self) -> Any:
        if self.is_schema:
            return AgreementLine.objects.none()
        rows = AgreementLine.objects.for_tenant(self.tenant)
        return rows.select_related("tenant", "agreement__tenant", "choices")

    def hold(self) -> None:
        line = self.get_object()
        lock_choices(line.agreement, line)

    @extend_schema(
        methods=["GET"], request=None, responses={200: LineChoicesSerializer, **PROBLEMS}
    )
    @extend_schema(
        methods=["PATCH"],
        request=LineChoicesWriteSerializer,
        responses={200: LineChoicesSerializer, **PROBLEMS},
    )
    @action(detail=True, methods=["get", "patch"], url_path="choices")
    def choices(self, request: Request, pk: str) -> Response:
        """Read or change what people decided about a line; the history is kept."""
        if request.method == "PATCH":
            self._choose(self.get_object(), read_body(LineChoicesWriteSerializer, request))
        line = self.get_object()
        records = ChoiceRecord.objects.for_tenant(self.tenant).filter(line_pk=line.pk)
        context = {"records": newest(records)}
        return Response(LineChoicesSerializer(line, context=context).data)

    def _choose(self, line: AgreementLine, values: dict[str, Any]) -> None:
        note = values.pop("note", "")
        agreement = line.agreement
        choose(agreement=agreement, line=line, actor=self.actor, changes=values, note=note)


def newest(records: QuerySet[ChoiceRecord]) -> QuerySet[ChoiceRecord]:
    return records.order_by("-at", "-id")[:MOST_RECORDS]
