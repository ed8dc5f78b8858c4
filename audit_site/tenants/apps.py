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
        from audit_site.tenants import (  # noqa: PLC0415  models are there by now
            change_marks,
            sign_in_audit,
            sign_in_state,  # noqa: F401  connects its receivers
        )

        make_folders()
        post_migrate.connect(build_walls, sender=self, dispatch_uid="build_walls")
        post_migrate.connect(change_marks.build_marks, sender=self, dispatch_uid="build_marks")
        sign_in_audit.connect()
