"""Addresses of the account's pages."""

from __future__ import annotations

from django.urls import path

from audit_site.account.web import sessions, you

app_name = "account"
urlpatterns = [
    path("account/you/", you.you, name="you"),
    path("account/you/name/", you.change_name, name="change-name"),
    path("account/you/email/", you.change_address, name="change-address"),
    path("account/you/email/again/", you.send_link_again, name="send-link-again"),
    path("account/you/email/cancel/", you.cancel_address, name="cancel-address"),
    path("account/you/email/prove/<str:key>/", you.prove_address, name="prove-address"),
    path("account/you/devices/<str:session_id>/end/", sessions.end_one, name="end-session"),
    path("account/you/devices/end-others/", sessions.end_others, name="end-other-sessions"),
    path("account/you/devices/end-all/", sessions.end_all, name="end-all-sessions"),
]
