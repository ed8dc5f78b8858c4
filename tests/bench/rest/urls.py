"""The product's addresses, and beside them what they are compared with."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from django.http import HttpResponse
from django.urls import include, path
from rest_framework.views import APIView


@cache
def answer(name: str) -> bytes:
    """What the product has answered, kept by the bench before it measures."""
    return (Path(os.environ["BENCH_ANSWERS"]) / name).read_bytes()


class BareView(APIView):
    """A plain DRF view: asks nobody who they are and the database nothing."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def get(self, request: Any, name: str) -> HttpResponse:
        return HttpResponse(answer(name), content_type="application/json")


urlpatterns = [
    path("api/v1/bare/<slug:name>/", BareView.as_view()),
    path("", include("audit_site.urls")),
]
