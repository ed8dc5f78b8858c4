"""The OpenAPI document: YAML by default, JSON for `Accept: application/json`; open to everybody."""

from __future__ import annotations

from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer


class PlainJsonRenderer(OpenApiJsonRenderer):
    media_type = JSONRenderer.media_type
    format = "json"


class SchemaView(SpectacularAPIView):
    authentication_classes = []
    permission_classes = [AllowAny]
    renderer_classes = [
        OpenApiYamlRenderer,
        PlainJsonRenderer,
        OpenApiJsonRenderer,
    ]
