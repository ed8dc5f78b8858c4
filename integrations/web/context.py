"""What every template knows of the tenant's connections."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from audit_site.tenants.models import Membership
from integrations.issues.banners import banners
from integrations.web.menu import connection_menu


def connections(request: HttpRequest) -> dict[str, Any]:
    """Outages, and the connections of the menu; each asked for only where it is shown."""
    membership: Membership | None = getattr(request, "membership", None)
    if membership is None:
        return {}
    return {
        "banners": SimpleLazyObject(lambda: banners(membership.tenant)),
        "menu": SimpleLazyObject(lambda: connection_menu(request, membership.tenant)),
    }
