from __future__ import annotations

from django.urls import include, path, re_path
from django.views.generic import RedirectView

from audit_site.api.views import NowhereView
from audit_site.pages.views import switch_tenant

urlpatterns = [
    path("api/v1/", include("audit_site.api_urls")),
    re_path(r"^api(/|$)", NowhereView.as_view()),
    path("accounts/", include("allauth.urls")),
    path("account/", include("audit_site.account.web.urls")),
    path("", RedirectView.as_view(pattern_name="integrations:list"), name="home"),
    path("tenant/", switch_tenant, name="switch-tenant"),
    path("", include("integrations.web.urls")),
    path("", include("companies.web.urls")),
    path("", include("agreements.web.urls")),
]
