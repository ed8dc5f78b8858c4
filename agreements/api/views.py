"""REST: MRR of a company and of the tenant, series, movement, and what people decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agreements import mrr
from agreements.api.parameters import COMPANY, read_as_of, read_company, read_day, read_month
from agreements.api.serializers import (
    AgreementChoicesSerializer,
    AgreementChoicesWriteSerializer,
    LineChoicesSerializer,
    LineChoicesWriteSerializer,
    MovementSerializer,
    SeriesSerializer,
    TenantMrrSerializer,
)
from agreements.decisions import choose
from agreements.figures import MOST_MONTHS, recognized_by_month, tenant_book, tenant_figure
from agreements.models import Agreement, AgreementLine, ChoiceRecord
from agreements.versions import tenant_etag
from audit_site.api.conditional import conditional
from audit_site.api.parameters import AS_OF, invalid
from audit_site.api.permissions import ReadOrMember
from audit_site.api.requests import tenant_of
from audit_site.api.views import PROBLEMS, TenantViewSet, owned_or_invalid


class TenantMrrView(APIView):
    @extend_schema(
        parameters=[AS_OF],
        responses={200: TenantMrrSerializer, 304: None, **PROBLEMS},
        operation_id="mrr",
    )
    def get(self, request: Request) -> HttpResponse:
        """Tell the MRR of all active companies together, by currency."""
        tenant, as_of = tenant_of(request), read_as_of(request)
        return conditional(
            request,
            tenant_etag(tenant, "mrr"),
            lambda: TenantMrrSerializer(tenant_figure(tenant, as_of)).data,
        )


class SeriesView(APIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("from", OpenApiTypes.STR, required=True, description="2026-01"),
            OpenApiParameter("to", OpenApiTypes.STR, required=True, description="2026-12"),
            COMPANY,
        ],
        responses={200: SeriesSerializer, 304: None, **PROBLEMS},
        operation_id="mrr_series",
    )
    def get(self, request: Request) -> HttpResponse:
        """Tell what each calendar month earns, by currency; at most 120 months."""
        tenant = tenant_of(request)
        first, last = read_month(request, "from"), read_month(request, "to")
        months = (last.year - first.year) * 12 + last.month - first.month + 1
        if months < 1:
            raise invalid("to", "The last month comes before the first.")
        if months > MOST_MONTHS:
            raise invalid("to", f"At most {MOST_MONTHS} months can be asked for at once.")
        company_id = read_company(request)

        def build() -> Any:
            book = tenant_book(tenant, company_id=company_id)
            shown = {
                "from": f"{first:%Y-%m}",
                "to": f"{last:%Y-%m}",
                "months": recognized_by_month(book, first, months),
            }
            return SeriesSerializer(shown).data

        return conditional(request, tenant_etag(tenant, "series"), build)


class MovementView(APIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("from", OpenApiTypes.DATE, required=True),
            OpenApiParameter("to", OpenApiTypes.DATE, required=True),
            COMPANY,
        ],
        responses={200: MovementSerializer, 304: None, **PROBLEMS},
        operation_id="mrr_movement",
    )
    def get(self, request: Request) -> HttpResponse:
        """Bridge the MRR of one day to that of a later one, by currency and company."""
        tenant = tenant_of(request)
        start, end = read_day(request, "from"), read_day(request, "to")
        if start is None or end is None:
            missing = "from" if start is None else "to"
            raise invalid(missing, "Write a date as 2026-06-15.", "required")
        if start >= end:
            raise invalid("to", "`to` must be a later day than `from`.")
        company_id = read_company(request)

        def build() -> Any:
            book = tenant_book(tenant, company_id=company_id)
            bridges = [shown_bridge(bridge) for bridge in mrr.movement(book, start, end)]
            return MovementSerializer({"from": start, "to": end, "currencies": bridges}).data

        return conditional(request, tenant_etag(tenant, "movement"), build)


def shown_bridge(bridge: mrr.Movement) -> dict[str, Any]:
    """A bridge with its amounts as text; printed parts may miss the closing by a few cents."""
    currency = bridge.currency
    return {
        "currency": currency,
        **{name: part.amount for name, part in bridge.parts.items()},
        "rounding_difference": bridge.rounding_difference,
        "companies": [
            {
                "company": company.company_id,
                "class": company.kind,
                "amount": mrr.money_text(currency, company.exact),
                "rows": [
                    {
                        "row_id": row_id,
                        "before": mrr.money_text(currency, before),
                        "after": mrr.money_text(currency, after),
                    }
                    for row_id, before, after in company.rows
                ],
            }
            for company in bridge.companies
        ],
    }


class AgreementViewSet(TenantViewSet):
    """Choices about agreements; the agreements themselves are the PSA's."""

    permission_classes = (ReadOrMember,)
    serializer_class = AgreementChoicesSerializer

    def get_queryset(self) -> Any:
        if self.is_schema:
            return Agreement.objects.none()
        rows = Agreement.objects.for_tenant(self.tenant)
        return rows.select_related("tenant", "company", "choices")

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
        agreement = self.get_object()
        if request.method == "PATCH":
            body = AgreementChoicesWriteSerializer(data=request.data)
            body.is_valid(raise_exception=True)
            changes = dict(body.validated_data)
            if changes.get("renews"):
                rows = Agreement.objects.for_tenant(self.tenant)
                changes["renews"] = owned_or_invalid(rows, "renews", changes["renews"])
            note = changes.pop("note", "")
            choose(agreement=agreement, actor=self.actor, changes=changes, note=note)
            agreement = self.get_object()
        records = ChoiceRecord.objects.for_tenant(self.tenant).filter(
            agreement=agreement, line=None
        )
        return Response(
            AgreementChoicesSerializer(
                agreement, context={"records": records.order_by("-at", "-id")[:200]}
            ).data
        )


class AgreementLineViewSet(TenantViewSet):
    """Choices about lines of agreements."""

    permission_classes = (ReadOrMember,)
    serializer_class = LineChoicesSerializer

    def get_queryset(self) -> Any:
        if self.is_schema:
            return AgreementLine.objects.none()
        rows = AgreementLine.objects.for_tenant(self.tenant)
        return rows.select_related("tenant", "agreement__tenant", "choices")

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
        line = self.get_object()
        if request.method == "PATCH":
            body = LineChoicesWriteSerializer(data=request.data)
            body.is_valid(raise_exception=True)
            changes: Mapping[str, Any] = {
                name: value for name, value in body.validated_data.items() if name != "note"
            }
            note = body.validated_data.get("note", "")
            choose(
                agreement=line.agreement, line=line, actor=self.actor, changes=changes, note=note
            )
            line = self.get_object()
        records = ChoiceRecord.objects.for_tenant(self.tenant).filter(line=line)
        return Response(
            LineChoicesSerializer(
                line, context={"records": records.order_by("-at", "-id")[:200]}
            ).data
        )
