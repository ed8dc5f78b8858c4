from __future__ import annotations

from django.urls import path

from audit_site.account.web import invitations, people, tenant_settings

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
]
