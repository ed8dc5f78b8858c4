from __future__ import annotations

from django.apps import AppConfig

from audit_site.folders import make_folders


class TenantsConfig(AppConfig):
    name = "audit_site.tenants"
    label = "tenants"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from audit_site.tenants import sign_in_state  # noqa: F401, PLC0415  connects its receivers

        make_folders()
