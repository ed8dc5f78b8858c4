from __future__ import annotations

from django.urls import path

from audit_site.account.web import audit_trail, tokens

app_name = "account"

urlpatterns = [
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/<uuid:pk>/revoke/", tokens.revoke, name="revoke-token"),
    path("audit/", audit_trail.audit_trail, name="audit"),
    path("audit/trail.csv", audit_trail.download, name="audit-csv"),
]
