from __future__ import annotations

from django.urls import path

from audit_site.account.web import audit_trail, invitations, people, tenant_settings, tokens

app_name = "account"

urlpatterns = [
    path("people/", people.people, name="people"),
    path("people/<uuid:pk>/", people.person, name="person"),
    path("people/<uuid:pk>/invite/", people.invite_again, name="invite-again"),
    path("people/<uuid:pk>/remove/", people.remove, name="remove"),
    path("leave/", people.leave, name="leave"),
    path("settings/", tenant_settings.tenant_settings, name="settings"),
    path("invitation/", invitations.invitation, name="opened-invitation"),
    path("invitation/<str:token>/", invitations.invitation, name="invitation"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/<uuid:pk>/revoke/", tokens.revoke, name="revoke-token"),
    path("audit/", audit_trail.audit_trail, name="audit"),
    path("audit/trail.csv", audit_trail.download, name="audit-csv"),
]
