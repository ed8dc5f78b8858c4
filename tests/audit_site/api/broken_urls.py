"""Addresses under /api/ that break in every way that Django itself answers."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.urls import path

from audit_site import urls
from audit_site.api.views import Endpoint
from tests.clients import V1


def mistake(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError("secret")


def suspicious(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("secret")


def denied(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied("secret")


def teapot(request: HttpRequest) -> HttpResponse:
    return HttpResponse("<p>secret</p>", status=418)


class MistakeView(Endpoint):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Any) -> Any:
        raise ZeroDivisionError("secret")


for view in (mistake, suspicious, denied, teapot):
    view.login_required = False

BASE = V1.lstrip("/")
urlpatterns = [
    path(f"{BASE}/mistake/", mistake),
    path(f"{BASE}/mistake-of-rest/", MistakeView.as_view()),
    path(f"{BASE}/suspicious/", suspicious),
    path(f"{BASE}/denied/", denied),
    path(f"{BASE}/teapot/", teapot),
    *urls.urlpatterns,
]
