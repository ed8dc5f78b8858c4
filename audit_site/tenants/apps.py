from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from audit_site.db.walls.building import build_walls
from audit_site.folders import make_folders


class TenantsConfig(AppConfig):
    name = "audit_site.tenants"
    label = "tenants"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from audit_site.tenants import sign_in_audit  # noqa: PLC0415  models are there by now

        make_folders()
        post_migrate.connect(build_walls, sender=self, dispatch_uid="build_walls")
        sign_in_audit.connect()
