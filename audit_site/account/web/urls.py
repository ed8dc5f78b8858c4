"""Addresses of the account's pages."""

from __future__ import annotations

from django.urls import path

from audit_site.account.web import sessions, you

app_name = "account"
urlpatterns = [
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
