"""What the API says of itself: its schema, the pages that show it, and its errors."""

from __future__ import annotations

from typing import Any

from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import APISettings

from audit_site.api.parameters import query
from audit_site.api.serializers import ErrorListSerializer
from audit_site.api.views import PROBLEMS, Endpoint
from audit_site.error_codes import CODES


class ErrorListView(Endpoint):
    @extend_schema(responses={200: ErrorListSerializer, **PROBLEMS}, operation_id="list_errors")
    def get(self, request: Request) -> Response:
        """List every code that an error, a check or a reason may carry, with what to do.

        All of them stand on one page.
        """
        page = {"next": None, "previous": None, "results": [*CODES.values()]}
        return Response(ErrorListSerializer(page).data)


class PlainJsonRenderer(OpenApiJsonRenderer):
    media_type = JSONRenderer.media_type
    format = "json"


class FormatNegotiation(DefaultContentNegotiation):
    """The schema's format is also chosen by its address, for links to it."""

    settings = APISettings({"URL_FORMAT_OVERRIDE": "format"})  # type: ignore[assignment]

    def filter_renderers(self, renderers: Any, format: Any) -> Any:
        """All of them for a format that there is not: the parameter's check refuses it."""
        return [one for one in renderers if one.format == format] or renderers


class SchemaView(Endpoint, SpectacularAPIView):
    """The OpenAPI document: YAML by default, JSON for `Accept: application/json`."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    content_negotiation_class = FormatNegotiation
    renderer_classes = [OpenApiYamlRenderer, PlainJsonRenderer, OpenApiJsonRenderer]

    @extend_schema(exclude=True, parameters=[query("format", enum=("yaml", "json"))])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        answer: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        return answer
