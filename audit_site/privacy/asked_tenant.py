"""The tenant that a command is asked about."""

from __future__ import annotations

from uuid import UUID

from django.core.management.base import CommandError

from audit_site.db import walls
from audit_site.tenants.models import Tenant


def asked_tenant(text: str) -> Tenant:
    """The tenant with this id; CommandError where there is none."""
    try:
        with walls.as_system("command"):
            tenant = Tenant.objects.filter(pk=UUID(text)).first()
    except ValueError:
        tenant = None
    if tenant is None:
        raise CommandError("There is no tenant with this id.")
    return tenant
