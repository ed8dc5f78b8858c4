from __future__ import annotations

from django.apps import AppConfig


class PagesConfig(AppConfig):
    name = "audit_site.pages"
    label = "pages"
