"""Addresses of the account's pages."""

from __future__ import annotations

from django.urls import path

from audit_site.account.web import export

app_name = "account"
urlpatterns = [
    path("settings/export/", export.export, name="export"),
]
