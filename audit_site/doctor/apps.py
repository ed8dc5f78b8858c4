from __future__ import annotations

from django.apps import AppConfig


class DoctorConfig(AppConfig):
    name = "audit_site.doctor"
    label = "doctor"
