from __future__ import annotations

from django.urls import include, path, re_path
from django.views.generic import RedirectView

from audit_site.account.web.two_factor import RemovePasskeyView, TurnOffAppView
from audit_site.api.views import NowhereView
from audit_site.pages.views import switch_tenant
from integrations.web.home import home

#: What libraries answer by themselves when somebody asks too often.
handler429 = "audit_site.pages.views.too_often"

urlpatterns = [
    path("api/v1/", include("audit_site.api_urls")),
    re_path(r"^api(/|$)", NowhereView.as_view()),
    # a person has one address, and proves it on pages of ours
    path("accounts/email/", RedirectView.as_view(pattern_name="account:you")),
    re_path(r"^accounts/confirm-email/", RedirectView.as_view(pattern_name="account:you")),
    path("accounts/2fa/webauthn/keys/<int:pk>/remove/", RemovePasskeyView.as_view()),
    path("accounts/2fa/totp/deactivate/", TurnOffAppView.as_view()),
    path("accounts/", include("allauth.urls")),
    path("account/", include("audit_site.account.web.urls")),
    path("", home, name="home"),
    path("tenant/", switch_tenant, name="switch-tenant"),
    path("", include("integrations.web.urls")),
    path("", include("companies.web.urls")),
    path("", include("agreements.web.urls")),
]
