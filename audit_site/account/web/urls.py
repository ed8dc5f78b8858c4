"""Addresses of the account's pages."""

from __future__ import annotations

from django.urls import path

from audit_site.account.web import (
    audit_trail,
    export,
    invitations,
    people,
    sessions,
    tenant_settings,
    tokens,
    you,
)

app_name = "account"

urlpatterns = [
    path("people/", people.people, name="people"),
    path("people/<uuid:pk>/", people.person, name="person"),
    path("people/<uuid:pk>/invite/", people.invite_again, name="invite-again"),
    path("people/<uuid:pk>/remove/", people.remove, name="remove"),
    path("leave/", people.leave, name="leave"),
    path("settings/", tenant_settings.tenant_settings, name="settings"),
    path("settings/export/", export.export, name="export"),
    path("invitation/", invitations.invitation, name="opened-invitation"),
    path("invitation/<str:token>/", invitations.invitation, name="invitation"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/<uuid:pk>/revoke/", tokens.revoke, name="revoke-token"),
    path("audit/", audit_trail.audit_trail, name="audit"),
    path("audit/trail.csv", audit_trail.download, name="audit-csv"),
    path("you/", you.you, name="you"),
    path("you/name/", you.change_name, name="change-name"),
    path("you/email/", you.change_address, name="change-address"),
    path("you/email/again/", you.send_link_again, name="send-link-again"),
    path("you/email/cancel/", you.cancel_address, name="cancel-address"),
    path("you/email/prove/<str:key>/", you.prove_address, name="prove-address"),
    path("you/devices/<str:session_id>/end/", sessions.end_one, name="end-session"),
    path("you/devices/end-others/", sessions.end_others, name="end-other-sessions"),
    path("you/devices/end-all/", sessions.end_all, name="end-all-sessions"),
]
