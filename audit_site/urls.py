from __future__ import annotations

from django.urls import include, path

from audit_site import health

urlpatterns = [
    path("healthz/", health.healthz, name="healthz"),
    path("readyz/", health.readyz, name="readyz"),
    path("api/v1/", include("audit_site.api.urls")),
    path("accounts/", include("allauth.urls")),
    path("", include("integrations.urls")),
    path("", include("companies.urls")),
    path("", include("agreements.urls")),
]
