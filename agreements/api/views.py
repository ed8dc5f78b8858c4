from __future__ import annotations

from datetime import date

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agreements.api.serializers import TenantMrrSerializer
from agreements.selectors import tenant_figure
from audit_site.api.requests import tenant_of
from audit_site.api.views import PROBLEMS

AS_OF = OpenApiParameter(
    "as_of",
    OpenApiTypes.DATE,
    description="Default: today in the tenant's time zone.",
)
#: Dates that a figure can be asked for: what the calendar arithmetic can go beyond by years.
EARLIEST, LATEST = date(1950, 1, 1), date(2200, 12, 31)


def read_as_of(request: Request) -> date | None:
    """The day that a figure is asked for; None = today."""
    text = request.query_params.get("as_of")
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or len(text) != 10 or not EARLIEST <= day <= LATEST:
        message = f"Write a date from {EARLIEST.year} to {LATEST.year} as 2026-06-15."
        error = serializers.ErrorDetail(message, code="invalid")
        raise serializers.ValidationError({"as_of": [error]})
    return day


class TenantMrrView(APIView):
    @extend_schema(
        parameters=[AS_OF], responses={200: TenantMrrSerializer, **PROBLEMS}, operation_id="mrr"
    )
    def get(self, request: Request) -> Response:
        """Tell the MRR of all active companies together, by currency."""
        figure = tenant_figure(tenant_of(request), read_as_of(request))
        return Response(TenantMrrSerializer(figure).data)
