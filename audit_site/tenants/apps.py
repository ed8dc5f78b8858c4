from __future__ import annotations

from django.apps import AppConfig

from audit_site.folders import make_folders


class TenantsConfig(AppConfig):
    name = "audit_site.tenants"
    label = "tenants"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from audit_site.tenants import sign_in_audit  # noqa: PLC0415  models are there by now

        make_folders()
        sign_in_audit.connect()
